//! `preload=on` where zygotes do not live: it works without, and is tried again.

use crate::operators::control::done;
use crate::processes::preload::{
    APP, UNKNOWN, allowing_death, change, family, imports, server_of, settled, under_load,
};
use integration::{Httpd, Subject, eventually, wait_until};
use std::time::Duration;

#[test]
fn zygote_that_cannot_live_falls_back_to_ordinary_starts() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    // Whoever imports it in a zygote dies.
    let app = APP.replace(
        "# AT IMPORT",
        "if b'zygote' in open('/proc/self/cmdline', 'rb').read(): os.kill(os.getpid(), 9)",
    );
    let server = allowing_death(server_of(&app, "processes=2 threads=2"))
        .expect_log("preload=on does not work for daemon process group 'app'")
        .start();
    assert_eq!(server.get("/").ok().text(), "first");
    server.wait_for_log("failed three times in a row");
    eventually("no zygote, two workers", || {
        let (_, zygotes, workers) = family(&server);
        (zygotes.is_empty() && workers.len() == 2).then_some(())
    });
}

/// By a changed script, an operator, a new generation; and while it does not work, all of them work without it.
#[test]
fn preload_is_tried_again() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let at_import = "if b'zygote' in open('/proc/self/cmdline', 'rb').read():\n    \
                     if os.path.exists(os.path.join(os.environ['FOLDER'], 'broken')): os.kill(os.getpid(), 9)";
    let app = APP.replace("# AT IMPORT", at_import);
    let touch = |server: &Httpd, second: u64| {
        change(server, &app.replace("\"first\"", &format!("\"text {second}\"")), second);
        let served = || (server.get("/").ok().text() == format!("text {second}")).then_some(());
        eventually("the new code", served);
    };
    type Way<'a> = (&'static str, &'a dyn Fn(&Httpd, u64));
    let ways: [Way<'_>; 3] = [
        ("touch", &touch),
        ("operator", &|server, _| drop(done(server, &["restart", "app"]))),
        ("graceful", &|server, _| server.graceful()),
    ];
    for (name, way) in ways {
        let server = allowing_death(server_of(&app, "processes=2 threads=2"))
            .file("data/broken", "")
            .expect_log("WSGI0317")
            .start();
        let failed = || server.error_log().matches("WSGI0317").count();
        eventually("it is given up", || (failed() == 1).then_some(()));
        let workers = || {
            eventually("no zygote, two workers", || {
                let (_, zygotes, workers) = family(&server);
                (zygotes.is_empty() && workers.len() == 2).then_some(workers)
            })
        };
        let before = workers();
        assert_eq!(server.get("/").ok().text(), "first", "{name}");
        under_load(&server, || {
            way(&server, 5);
            eventually("it is given up again", || (failed() >= 2).then_some(()));
            eventually("all are replaced", || family(&server).2.is_disjoint(&before).then_some(()));
        });
        workers();
        std::fs::remove_file(server.root().join("app/data/broken")).expect("it is there");
        under_load(&server, || way(&server, 10));
        let (zygote, _) = settled(&server, 2);
        let supervisor = family(&server).0;
        eventually("the workers are the zygote's", || {
            let forked = server.error_log().matches("was forked threads=2").count();
            (forked >= 2 && imports(&server).contains(&zygote)).then_some(())
        });
        assert!(supervisor > 0 && server.get("/").status == 200, "{name}");
    }
}

/// What dies only where it was forked comes up without a zygote: a deployment must not be lost by one more try.
#[test]
fn workers_that_cannot_live_are_done_without() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let app = APP.replace("# AT IMPORT", "os.environ['IMPORTER'] = str(os.getpid())");
    let other = "import os\nown = str(os.getpid())\nif os.environ.get('IMPORTER', own) != own:\n    \
                 os.kill(os.getpid(), 9)\n";
    let server = allowing_death(server_of(&app, "processes=2 threads=2"))
        .file("other.wsgi", other)
        .directives("WSGIImportScript @ROOT@/app/other.wsgi process-group=app application-group=other")
        .allow_log("has failed")
        .expect_log("WSGI0317")
        .start();
    server.wait_for_log("WSGI0317");
    assert_eq!(server.get("/").ok().text(), "first");
    for second in [5, 10] {
        change(&server, &app.replace("\"first\"", &format!("\"text {second}\"")), second);
        let text = format!("text {second}");
        eventually("the new code", || (server.get("/").ok().text() == text).then_some(()));
    }
    assert!(!server.error_log().contains("keeps serving"), "{}", server.error_log());
    let failed = || server.error_log().matches("WSGI0317").count();
    let before = failed();
    done(&server, &["restart", "app"]);
    eventually("it is given up again", || (failed() > before).then_some(()));
    assert!(!server.error_log().contains("keeps serving"), "{}", server.error_log());
    assert_eq!(server.get("/").ok().text(), "text 10");
}

/// Its fork takes for ever: whoever waits for a worker of it waits for a bounded time.
#[test]
fn zygote_that_never_answers_is_done_without() {
    if Subject::skips(UNKNOWN) {
        return;
    }
    let at_import = "import time\nif b'zygote' in open('/proc/self/cmdline', 'rb').read(): \
                     os.register_at_fork(before=lambda: time.sleep(1000))";
    let server = allowing_death(server_of(&APP.replace("# AT IMPORT", at_import), "processes=2 threads=2"))
        .expect_log("WSGI0316")
        .allow_log("did not end in time and was killed")
        .expect_log("WSGI0317")
        .start();
    // Ten seconds each.
    wait_until(Duration::from_secs(300), || server.error_log().contains("WSGI0317").then_some(()));
    assert_eq!(server.get("/").ok().text(), "first");
    server.logged("WSGI0316", 3);
    eventually("no zygote, two workers", || {
        let (_, zygotes, workers) = family(&server);
        (zygotes.is_empty() && workers.len() == 2).then_some(())
    });
}
