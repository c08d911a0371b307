//! A forgotten version is noticed: what goes over sockets, pipes and memory files has one form in each protocol version.
//! `wire/golden.txt` has the digests of all messages of the present one.

mod schema;

use schema::shape;
use std::fmt::{Debug, Write};
use wsgi_protocol::birth::BirthOrder;
use wsgi_protocol::call::{self, HostScriptCall, ScriptQuestion, ScriptVerdict};
use wsgi_protocol::control::{Configuration, ParentCommand, SupervisorAnswer};
use wsgi_protocol::death::EndReason;
use wsgi_protocol::frame::{
    AbortReason, BODY_MEMORY, FrameKind, FromDaemon, FromHttpd, RESPONSE_MEMORY, RequestRefusal,
};
use wsgi_protocol::heirloom::Heirloom;
use wsgi_protocol::launch::{DaemonOrder, Launch, ReadyByte, encode};
use wsgi_protocol::metrics::{GroupRecord, MemoryHeader, MetricsBlock, RequestAccount};
use wsgi_protocol::operator::{OperatorQuestion, OperatorReply};
use wsgi_protocol::record::LogRecord;
use wsgi_protocol::request::{RequestFlags, RequestHead, RequestWriter};
use wsgi_protocol::response::{HeadWriter, append_header};
use wsgi_protocol::scoreboard::Scoreboard;
use wsgi_protocol::status::{ExitRecords, SlotRecord, SlotState};
use wsgi_protocol::{PROTOCOL_VERSION, abi, keys};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/golden.txt");

/// FNV-1a.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Which variants numbers stand for.
fn numbers<T: Debug>(from_number: impl Fn(u8) -> Option<T>) -> String {
    let mut text = String::new();
    for (number, variant) in (0..=u8::MAX).filter_map(|number| Some((number, from_number(number)?))) {
        let _ = write!(text, "{number}={variant:?},");
    }
    text
}

/// Records that two processes map, or that two libraries fill: where they are declared.
const LAYOUTS: [(&str, &[&str]); 3] = [
    (include_str!("../../src/status.rs"), &["SlotRecord", "ExitRecord", "ExitRecords"]),
    (
        include_str!("../../src/metrics/mod.rs"),
        &["MemoryHeader", "GroupRecord", "MetricsBlock", "BlockCells", "Histogram"],
    ),
    (include_str!("../../src/abi.rs"), &["HttpdTable", "HostTable"]),
];

/// The fields of these records in their order, as they are written. Their sizes say nothing of two that change places.
fn layouts() -> String {
    let mut text = String::new();
    for (source, names) in LAYOUTS {
        for name in names {
            let lines = source.lines().skip_while(|line| !line.contains(&format!("struct {name} {{")));
            let body = lines.take_while(|line| *line != "}").map(str::trim);
            let fields: Vec<&str> = body.filter(|line| !line.starts_with("//")).collect();
            assert!(fields.len() > 1, "{name} is a record");
            text.extend(fields.into_iter().map(|line| line.trim_start_matches("pub ")));
        }
    }
    text
}

fn frames() -> Vec<u8> {
    let account = Some(RequestAccount { began: 1, ended: 2, gil: 3, cpu: 4 });
    let to_httpd = [
        FromDaemon::WantBody(0x0403_0201),
        FromDaemon::Head(b"head"),
        FromDaemon::Upgrade(b"head"),
        FromDaemon::Data(5),
        FromDaemon::File { offset: 1, length: 2 },
        FromDaemon::Flush,
        FromDaemon::Log { level: 3, thread: 7, text: b"text" },
        FromDaemon::End(account),
        FromDaemon::Aborted(account),
        FromDaemon::Fail { status: 503, account },
        FromDaemon::Refused(RequestRefusal::QueueTimeout),
        FromDaemon::GoAway,
        FromDaemon::Watch,
    ];
    let to_daemon = [
        FromHttpd::Hello(3),
        FromHttpd::Request(b"request"),
        FromHttpd::Body(6),
        FromHttpd::BodyEnd,
        FromHttpd::Abort(AbortReason::Timeout),
        FromHttpd::BodyFile(7),
    ];
    let to_httpd = to_httpd.into_iter().flat_map(|frame| frame.encode(0x0201).to_vec());
    to_httpd.chain(to_daemon.into_iter().flat_map(|frame| frame.encode(0x0201).to_vec())).collect()
}

fn request() -> Vec<u8> {
    let head = RequestHead {
        flags: RequestFlags(0x0102_0304),
        request_start_us: 1,
        queue_start_us: 2,
        connects: 3,
        restarts: 4,
        script_mtime_us: 5,
        log_level: 6,
        script: b"script",
        resource: b"resource",
        application_group: b"group",
        callable: b"callable",
        request_id: b"id",
        server_pid: b"pid",
        request_rec: b"record",
    };
    let mut bytes = Vec::new();
    call::begin(&mut bytes, ScriptQuestion::Password, [b"user", b"password"]);
    let mut writer = RequestWriter::begin(&mut bytes, &head);
    writer.pair(keys::KNOWN_KEYS[0].as_bytes(), b"known");
    writer.pair(b"HTTP_X_UNKNOWN", b"unknown");
    writer.finish();
    assert!(HostScriptCall::decode(&bytes).is_ok());
    bytes
}

fn response() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = HeadWriter::begin(&mut bytes, 200, b"200 OK");
    writer.header(b"X-A", b"1");
    writer.finish();
    append_header(&mut bytes, b"X-B", b"2");
    bytes
}

/// All that processes of two versions could misread, by name.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: String| text.into_bytes();
    let record = LogRecord { server: 1, level: 2, pid: 3, tid: 4, text: b"text" };
    let memory = [
        (size_of::<ExitRecords>(), align_of::<ExitRecords>()),
        (size_of::<SlotRecord>(), align_of::<SlotRecord>()),
        (size_of::<MemoryHeader>(), align_of::<MemoryHeader>()),
        (size_of::<GroupRecord>(), align_of::<GroupRecord>()),
        (size_of::<MetricsBlock>(), align_of::<MetricsBlock>()),
        (size_of::<abi::HttpdTable>(), size_of::<abi::HostTable>()),
        (RESPONSE_MEMORY, BODY_MEMORY),
    ];
    vec![
        ("Launch", text(shape::<Launch>())),
        ("Configuration", text(shape::<Configuration>())),
        ("ParentCommand", text(shape::<ParentCommand>())),
        ("SupervisorAnswer", text(shape::<SupervisorAnswer>())),
        ("Heirloom", text(shape::<Heirloom>())),
        ("Scoreboard", text(shape::<Scoreboard>())),
        ("OperatorQuestion", text(shape::<OperatorQuestion>())),
        ("OperatorReply", text(shape::<OperatorReply>())),
        ("envelope", encode(&0x0102_0304_u32).map(|bytes| bytes[4..].to_vec()).unwrap_or_default()),
        ("frames", frames()),
        ("request", request()),
        ("response", response()),
        ("keys", text(keys::KNOWN_KEYS.join("\n"))),
        ("BirthOrder", BirthOrder { slot: 0x0403_0201, has_predecessor: true }.to_bytes().to_vec()),
        ("LogRecord", record.encode()),
        ("memories", text(format!("{memory:?}"))),
        ("layouts", text(layouts())),
        ("FrameKind", text(numbers(FrameKind::from_number))),
        ("AbortReason", text(numbers(AbortReason::from_number))),
        ("RequestRefusal", text(numbers(RequestRefusal::from_number))),
        ("DaemonOrder", text(numbers(DaemonOrder::from_number))),
        ("ReadyByte", text(numbers(ReadyByte::from_number))),
        ("EndReason", text(numbers(EndReason::from_number))),
        ("ScriptQuestion", text(numbers(ScriptQuestion::from_number))),
        ("ScriptVerdict", text(numbers(|number| Some(ScriptVerdict::from_number(number.into()))))),
        ("SlotState", text(numbers(|number| Some(SlotState::from_number(number.into()))))),
    ]
}

#[test]
fn a_change_of_the_wire_raises_the_protocol_version() {
    let lines = forms().into_iter().map(|(name, form)| format!("{name} {:016x}\n", digest(&form)));
    let found = format!("version {PROTOCOL_VERSION}\n{}", lines.collect::<String>());
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    if golden == found {
        return;
    }
    let is_raised = golden.lines().next() != found.lines().next();
    if is_raised && std::env::var_os("UPDATE_WIRE").is_some() {
        std::fs::write(GOLDEN, found).unwrap();
        return;
    }
    let changed = found.lines().filter(|line| !golden.lines().any(|known| known == *line));
    let changed: Vec<&str> = changed.filter_map(|line| line.split(' ').next()).collect();
    panic!(
        "{changed:?} changed. Raise PROTOCOL_VERSION once for all changes since the last release of it, then \
         UPDATE_WIRE=1 cargo test -p wsgi-protocol --test wire"
    );
}

#[test]
fn a_field_changes_the_shape() {
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct Sample {
        name: String,
        parts: Vec<(u8, Option<bool>)>,
        choice: SampleChoice,
    }
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    enum SampleChoice {
        One,
        Two(u16),
    }
    let front =
        "Sample{name:visit_str,parts:list{0:tuple{0:visit_u8,1:option visit_bool,}}choice:SampleChoice::";
    assert_eq!(shape::<Sample>(), format!("{front}One=0 }}{front}Two=1 visit_u16,}}"));
}
