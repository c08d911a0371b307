//! Python scripts that run in processes of their own.

use super::{logging, python};
use crate::configuration::Configuration;
use crate::environment;
use crate::paths;
use crate::plan::ServerPlan;

pub(super) fn lines(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    for (name, script) in values.pairs("service-script") {
        let of = |option: &str| {
            values
                .pairs(option)
                .into_iter()
                .rev()
                .find(|(service, _)| *service == name)
                .map(|(_, value)| value)
        };
        let group = format!("service:{name}");
        let mut pairs = vec![
            ("threads", "0".to_owned()),
            ("display-name", "%{GROUP}".to_owned()),
            ("home", plan.working_directory()),
        ];
        for (option, pair) in [("service-user", "user"), ("service-group", "group")] {
            pairs.extend(of(option).map(|value| (pair, value.to_owned())));
        }
        let file = match of("service-user") {
            Some(_) if plan.identity.is_other() => environment::service_file(name),
            _ => environment::FILE.to_owned(),
        };
        pairs.extend(python::environment(plan, &file));
        let place = [("process-group", group.clone()), ("application-group", "%{GLOBAL}".to_owned())];
        let script = paths::absolute_text(script);
        let write = |conf: &mut Configuration| {
            conf.from("service-script service-user service-group").pairs(
                "WSGIDaemonProcess",
                &[&group],
                &pairs,
            );
            conf.from("service-script").pairs("WSGIImportScript", &[&script], &place);
        };
        match of("service-log-file") {
            None => write(conf),
            Some(file) => {
                let address = format!("*:{}", values.int("port"));
                conf.from("service-log-file").section("VirtualHost", &address, |conf| {
                    // A name of its own, or it would answer requests for the name of the whole server.
                    conf.fixed("ServerName _wsgi_service_").line("ErrorLog", &[&logging::file(plan, file)]);
                    write(conf);
                });
            }
        }
    }
    conf.always();
}
