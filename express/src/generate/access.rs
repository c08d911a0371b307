//! Who may use the server: access and authentication scripts, the status page.

use crate::configuration::Configuration;
use crate::plan::ServerPlan;

pub(super) fn lines(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    if let Some(script) = plan.path("host-access-script") {
        conf.from("host-access-script").section("Location", "/", |conf| {
            conf.line("WSGIAccessScript", &[&script]);
        });
    }
    if let Some(script) = plan.path("auth-user-script") {
        conf.from("auth-user-script").section("Location", "/", |conf| {
            let kind = values.text("auth-type").unwrap_or_default();
            conf.from("auth-type").line("AuthType", &[kind]);
            conf.from("auth-user-script").line("AuthName", &[&plan.address()]);
            conf.line(&format!("Auth{kind}Provider"), &["wsgi"]);
            conf.line("WSGIAuthUserScript", &[&script]);
            let Some(groups) = plan.path("auth-group-script") else {
                conf.fixed("Require valid-user");
                return;
            };
            conf.from("auth-group-script").line("WSGIAuthGroupScript", &[&groups]);
            conf.line("Require wsgi-group", &[values.text("auth-group").unwrap_or_default()]);
        });
    }
    if values.flag("server-status") {
        conf.from("server-status").section("Location", "/server-status", |conf| {
            conf.fixed("SetHandler server-status").fixed("Require local");
        });
    }
    if values.flag("server-status") || values.flag("server-metrics") {
        conf.from("server-status server-metrics").fixed("ExtendedStatus On");
    }
    conf.always();
}
