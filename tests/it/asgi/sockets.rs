//! A client's own socket in the process that runs the application: no thread of httpd's is kept, and every way to the end.

use crate::asgi::applications::REASON;
use crate::asgi::frames::frame;
use crate::asgi::websocket::{
    BINARY, CLOSE, FrameClient, PING, PONG, TEXT, both_ways, opening, relaying, server,
};
use crate::operators::status::{PAGES, group, number};
use integration::{Httpd, Mpm, SeenProcess, Subject, eventually, kill};

const RESTART: &[u8] = b"\x03\xf4service restart";

#[track_caller]
fn echoes(client: &mut FrameClient, text: &[u8]) {
    client.send(TEXT, text);
    client.expect(TEXT, text);
}

/// The processes of the group.
fn daemons(server: &Httpd) -> Vec<SeenProcess> {
    let pids: Vec<i32> = group(server)["processes"]
        .as_array()
        .expect("processes")
        .iter()
        .filter_map(|process| i32::try_from(number(&process["pid"])).ok())
        .collect();
    pids.into_iter().filter_map(SeenProcess::of).collect()
}

fn descriptors(process: &SeenProcess) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", process.pid)).expect("its descriptors").count()
}

/// More of them than httpd has threads, or processes; and the access log has them as soon as they are open.
#[test]
fn no_thread_is_kept() {
    if Subject::skips(REASON) {
        return;
    }
    for mpm in Mpm::ALL {
        let server = server().mpm(mpm).start();
        let mut clients: Vec<_> = (0..50).map(|_| FrameClient::open(&server, "/echo")).collect();
        for _ in 0..40 {
            assert_eq!(server.get("/").status, 426);
        }
        clients.iter_mut().for_each(|client| echoes(client, b"still here"));
        eventually(&format!("the access log of {mpm:?} has all"), || {
            (server.log_of("access").matches("\"GET /echo HTTP/1.1\" 101").count() == 50).then_some(())
        });
        for mut client in clients {
            client.send(CLOSE, b"\x03\xe8");
            client.expect(CLOSE, b"\x03\xe8");
            assert_eq!(client.rest(), b"");
        }
    }
}

/// A client that does not wait for its answer: what httpd has read of it travels along, if it is little, or is relayed.
#[test]
fn what_came_with_the_handshake() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().start();
    for length in [0, 1, 4000, 8000, 16_000, 20_000, 300_000] {
        let mut client = FrameClient::hurry(&server, "/echo", &frame(BINARY, &vec![7; length]));
        client.expect(BINARY, &vec![7; length]);
        echoes(&mut client, b"and on");
    }
}

/// A client that reads nothing holds the application up, and nobody else.
#[test]
fn a_slow_client_is_waited_for() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().start();
    let mut slow = FrameClient::open(&server, "/pour");
    let poured = || server.get("/poured").text().parse::<u32>().expect("a number");
    let mut before = 0;
    eventually("it waits", || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let now = poured();
        (std::mem::replace(&mut before, now) == now && now > 0).then_some(())
    });
    assert!(before < 2000, "all of it was taken");
    echoes(&mut FrameClient::open(&server, "/echo"), b"meanwhile");
    for _ in 0..2000 {
        slow.expect(BINARY, &[0; 50000]);
    }
    assert_eq!(poured(), 2000);
}

/// What the application forks off holds no client's socket: its end is the process's.
#[test]
fn a_forked_child_keeps_no_socket() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().start();
    let folder = server.root().join("app");
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .expect("own folder");
    let mut client = FrameClient::open(&server, "/fork");
    client.send(TEXT, b"now");
    client.0.read_to_end();
    assert!(!folder.join("late").exists(), "the connection ended with the child, and not before");
    std::fs::write(folder.join("end"), "").expect("own folder");
}

/// Clients that leave at any moment, also while they are handed over: nothing of them is left.
#[test]
fn clients_that_leave() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("processes=1 threads=2").directives(PAGES).start();
    echoes(&mut FrameClient::open(&server, "/echo"), b"before");
    let daemon = daemons(&server).remove(0);
    let at_first = eventually("the first has gone", || {
        (number(&group(&server)["capacity"]["websockets"]) == 0).then(|| descriptors(&daemon))
    });
    for round in 0..60 {
        let mut wire = server.connect();
        wire.send(opening("/echo", ""));
        match round % 3 {
            0 => {}
            1 => wire.finish(),
            // With something unread: a reset.
            _ => {
                wire.head().expect("an answer");
                wire.send(frame(BINARY, &[1; 9000]));
                wire.exactly(1).expect("an echo");
            }
        }
    }
    eventually("all have gone", || {
        let open = number(&group(&server)["capacity"]["websockets"]);
        (open == 0 && descriptors(&daemon) <= at_first + 4).then_some(())
    });
    echoes(&mut FrameClient::open(&server, "/echo"), b"after");
    assert_eq!(daemons(&server)[0].pid, daemon.pid);
}

/// A client from which nothing comes from one ping to the next is given up; one that answers, or says something else, is not.
#[test]
fn silent_clients_are_given_up() {
    if Subject::skips(REASON) {
        return;
    }
    for server in both_ways() {
        let server = server.start();
        server.get("/hasten");
        let mut silent = FrameClient::open(&server, "/echo");
        let mut clients = [FrameClient::open(&server, "/echo"), FrameClient::open(&server, "/echo")];
        for _ in 0..5 {
            for (number, client) in clients.iter_mut().enumerate() {
                let (kind, payload) = client.frame();
                assert_eq!(kind, PING);
                if number == 0 {
                    client.send(PONG, &payload);
                } else {
                    echoes(client, b"instead");
                }
            }
        }
        assert_eq!(silent.frame().0, PING);
        assert_eq!(silent.rest(), b"");
        eventually("the application knows", || server.error_log().contains("closed by 1006").then_some(()));
        for mut client in clients {
            client.send(TEXT, b"after");
            // Behind another ping, perhaps.
            while client.frame() != (TEXT, b"after".to_vec()) {}
        }
    }
}

/// How many there may be; they take no request's place.
#[test]
fn limit() {
    if Subject::skips(REASON) {
        return;
    }
    for relays in ["".to_owned(), relaying()] {
        let options = "processes=1 threads=1 max-websockets=5 max-requests-in-flight=20";
        let server = server().daemon_options(options).directives(PAGES).directives(&relays);
        let server = server.expect_log("WSGI0510").start();
        let mut clients: Vec<_> = (0..5).map(|_| FrameClient::open(&server, "/echo")).collect();
        for _ in 0..3 {
            assert_eq!(FrameClient::ask(&server, "/echo", "").1.status, 503);
        }
        assert_eq!(server.get("/").status, 426);
        eventually("they are counted", || {
            let capacity = &group(&server)["capacity"];
            let relayed = if relays.is_empty() { 0 } else { 5 };
            let told =
                ["websockets", "websockets_relayed", "websockets_limit"].map(|key| number(&capacity[key]));
            (told == [5, relayed, 5]).then_some(())
        });
        drop(clients.pop());
        eventually("there is room again", || {
            let (client, response) = FrameClient::ask(&server, "/echo", "");
            (response.status == 101).then(|| clients.push(client))
        });
        clients.iter_mut().for_each(|client| echoes(client, b"still here"));
    }
}

/// More than may run at once.
#[test]
fn open_sockets_are_no_requests_in_flight() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("processes=1 threads=1 max-requests-in-flight=2").start();
    let mut clients: Vec<_> = (0..10).map(|_| FrameClient::open(&server, "/echo")).collect();
    assert_eq!(server.get("/").status, 426);
    clients.iter_mut().for_each(|client| echoes(client, b"all"));
}

/// A deploy closes them as a graceful restart does; the next ones reach the successor.
#[test]
fn deploys() {
    if Subject::skips(REASON) {
        return;
    }
    let server =
        server().daemon_options("processes=1").expect_log("2 WebSockets are closed with 1012").start();
    let mut clients = [FrameClient::open(&server, "/echo"), FrameClient::open(&server, "/echo")];
    server.write("app.py", &(include_str!("../../apps/asgi_socket.py").to_owned() + "\n# changed\n"));
    eventually("the change is seen", || {
        assert_eq!(server.get("/").status, 426);
        server.error_log().contains("WebSockets are closed with 1012").then_some(())
    });
    clients.iter_mut().for_each(|client| client.closed(1012, "service restart"));
    echoes(&mut FrameClient::open(&server, "/echo"), b"after");
}

/// The end of the server, and of the process.
#[test]
fn ends() {
    if Subject::skips(REASON) {
        return;
    }
    let server = server().daemon_options("processes=1").directives(PAGES).allow_log("signal 9").start();
    let mut client = FrameClient::open(&server, "/echo");
    kill(daemons(&server)[0].pid);
    assert_eq!(client.rest(), b"", "an end");
    let mut client = eventually("another process serves", || {
        let (client, response) = FrameClient::ask(&server, "/echo", "");
        (response.status == 101).then_some(client)
    });
    echoes(&mut client, b"after");
    server.stop();
    client.expect(CLOSE, RESTART);
    assert_eq!(client.rest(), b"");
}
