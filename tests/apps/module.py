"""Holds the modules `mod_wsgi` and `apache` against their specification, name by name and key by key. `/` makes requests
worth looking at, `/check` answers with what differs."""

import json
import logging

import mod_wsgi

NUMBER = (int, float)
EVENTS = {}
ORDER = []

PHASES = ["server_time", "queue_time", "daemon_time", "application_time", "request_time", "gil_wait_time", "input_read_time",
          "output_write_time"]
BASE = {"request_id": str, "request_data": dict}
TIMES = {name: float for name in ["request_start", "queue_start", "daemon_start"]}
PAYLOADS = {
    "request_started": {**BASE, **TIMES, "thread_id": int, "daemon_connects": int, "daemon_restarts": int, "server_pid": int,
                        "application_start": float, "application_object": object, "callable_object": str,
                        "request_environ": dict},
    "response_started": {**BASE, "response_status": str, "response_headers": list, "exception_info": (tuple, type(None))},
    "request_exception": {**BASE, "exception_info": tuple},
    "request_finished": {**BASE, **TIMES, "thread_id": int, "server_pid": int, "input_reads": int, "input_length": int,
                         "input_time": float, "output_length": int, "output_writes": int, "output_time": float,
                         "application_finish": float, "application_time": float, "status": int, "gil_wait_time": float,
                         "gil_wait_count": int, "cpu_user_time": float, "cpu_system_time": float, "cpu_time": float},
}
# Left out by the original when the thread had used no CPU before.
SOMETIMES = {"cpu_user_time", "cpu_system_time", "cpu_time"}
REQUEST_METRICS = {
    **{name: NUMBER for name in [
        "start_time", "stop_time", "sample_period", "cpu_user_utilization", "cpu_system_utilization", "cpu_utilization",
        "cpu_user_time", "cpu_system_time", "cpu_time", "capacity_utilization", "request_throughput"]},
    **{name: int for name in [
        "pid", "memory_max_rss", "memory_rss", "request_threads_maximum", "request_threads_started", "request_threads_active",
        "request_count", "status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx", "input_bytes", "input_reads",
        "output_bytes", "output_writes", "gil_wait_count"]},
    **{name: list for name in [
        "request_threads_completed", "request_threads_buckets", "request_threads_busy_time", "request_threads_cpu_time",
        "request_threads_current_elapsed", "request_threads_max_duration", *[phase + "_buckets" for phase in PHASES]]},
    **{name: (float, type(None)) for name in PHASES},
    **{phase + end: (int, type(None)) for phase in PHASES for end in ("_min_us", "_max_us")},
}
PROCESS_METRICS = {
    **{name: int for name in ["pid", "request_count", "memory_max_rss", "memory_rss", "running_time", "request_threads",
                              "active_requests"]},
    **{name: float for name in ["request_busy_time", "cpu_user_time", "cpu_system_time", "cpu_time", "restart_time",
                                "current_time"]},
    "threads": list,
}


def on_event(name, **payload):
    ORDER.append(name)
    EVENTS.setdefault(name, payload)
    if name == "request_started":
        EVENTS["environ"] = payload["request_environ"]


mod_wsgi.start_recording_metrics()
mod_wsgi.start_recording_metrics()


@mod_wsgi.subscribe_events
def decorated(name, **payload):
    on_event(name, **payload)


@mod_wsgi.subscribe_shutdown
def on_shutdown(name, **payload):
    pass


def differences(what, found, wanted, optional=()):
    out = [f"{what}: {name} is missing" for name in sorted(set(wanted) - set(found) - set(optional))]
    out += [f"{what}: {name} is not specified" for name in sorted(set(found) - set(wanted))]
    out += [f"{what}: {name} is {found[name]!r}" for name in sorted(set(wanted) & set(found))
            if not isinstance(found[name], wanted[name])]
    return out


def attributes(environ):
    daemon = environ["mod_wsgi.process_group"] != ""
    wanted = {"version": tuple, "process_group": str, "application_group": str, "maximum_processes": int,
              "threads_per_process": int, "FileWrapper": type, "LogHandler": type, "RequestTimeout": type,
              "event_callbacks": list, "shutdown_callbacks": list, "signal_callbacks": list, "active_requests": dict}
    functions = ["subscribe_events", "subscribe_shutdown", "subscribe_signals", "request_data", "start_recording_metrics",
                 "request_metrics", "process_metrics", "server_metrics"]
    found = {name: getattr(mod_wsgi, name) for name in wanted if hasattr(mod_wsgi, name)}
    out = differences("mod_wsgi", found, wanted)
    out += [f"mod_wsgi.{name} cannot be called" for name in functions if not callable(getattr(mod_wsgi, name, None))]
    checks = {
        "version is three numbers": [type(part) for part in mod_wsgi.version] == [int] * 3,
        "process_group": mod_wsgi.process_group == environ["mod_wsgi.process_group"],
        "application_group": mod_wsgi.application_group == environ["mod_wsgi.application_group"],
        "decorators return their function": decorated.__name__ == "decorated" and on_shutdown.__name__ == "on_shutdown",
        "subscribers are listed": decorated in mod_wsgi.event_callbacks and on_shutdown in mod_wsgi.shutdown_callbacks,
        "RequestTimeout": mod_wsgi.RequestTimeout.__bases__ == (BaseException,),
        "LogHandler": issubclass(mod_wsgi.LogHandler, logging.Handler),
        "names of types": [kind.__module__ for kind in (mod_wsgi.LogHandler, mod_wsgi.RequestTimeout)] == ["mod_wsgi"] * 2,
        "request_data": mod_wsgi.active_requests[environ["mod_wsgi.request_id"]] is mod_wsgi.request_data(),
        "server_metrics needs leave": mod_wsgi.server_metrics() is None,
        "numbers": mod_wsgi.maximum_processes == 1 and mod_wsgi.threads_per_process == 3 if daemon else
                   mod_wsgi.maximum_processes >= 1 and mod_wsgi.threads_per_process >= 1,
    }
    return out + [f"mod_wsgi: {name}" for name, holds in checks.items() if not holds]


def apache_module():
    import apache
    wanted = {"version": tuple, "maximum_processes": int, "threads_per_process": int, "description": str, "mpm_name": str,
              "build_date": str}
    found = {name: getattr(apache, name) for name in wanted if hasattr(apache, name)}
    out = differences("apache", found, wanted)
    if not out and (apache.mpm_name != "event" or "Apache" not in apache.description or len(apache.version) != 3):
        out.append(f"apache: {found}")
    return out


def events():
    out = []
    for name, wanted in PAYLOADS.items():
        if name not in EVENTS:
            out.append(f"event {name} has not come")
        else:
            out += differences(f"event {name}", EVENTS[name], wanted, SOMETIMES)
    want = ["request_started", "response_started", "request_finished"]
    if ORDER[:3] != want:
        out.append(f"order of events: {ORDER[:3]}")
    return out


def request_environ(environ):
    wanted = {**{"mod_wsgi." + name: str for name in ["request_id", "connection_id", "server_pid", "process_group",
                                                      "application_group", "callable_object", "handler_script"]},
              "mod_wsgi.thread_id": int, "mod_wsgi.version": tuple, "mod_wsgi.path_info": str, "mod_wsgi.script_name": str,
              **{"mod_wsgi." + name: float for name in ["request_start", "queue_start", "daemon_start", "application_start"]}}
    return [f"environ: {name} is {environ.get(name)!r}" for name, kind in wanted.items()
            if name in environ and not isinstance(environ[name], kind)] + \
        [f"environ: {name} is missing" for name in wanted if name not in environ
         and name.split(".")[1] in ("request_id", "thread_id", "server_pid", "request_start", "application_start")]


def metrics(environ):
    daemon = environ["mod_wsgi.process_group"] != ""
    found = mod_wsgi.request_metrics()
    out = differences("request_metrics", found, REQUEST_METRICS)
    if out:
        return out
    threads = found["request_threads_maximum"]
    lists = [name for name in REQUEST_METRICS if name.startswith("request_threads_") and isinstance(found[name], list)]
    classes = sum(found[f"status_{number}xx"] for number in range(1, 6))
    checks = {
        "lengths": all(len(found[name]) == threads for name in lists),
        "histograms": all(len(found[phase + "_buckets"]) == 65 for phase in PHASES),
        "queue and daemon": all((found[name] is None) != daemon for name in ("queue_time", "daemon_time")),
        "period": abs(found["stop_time"] - found["start_time"] - found["sample_period"]) < 1e-3,
        "classes": classes == found["request_count"] >= 2,
        "request histogram": sum(found["request_time_buckets"]) == found["request_count"],
        "threads": sum(found["request_threads_completed"]) == found["request_count"],
        "alias": found["request_threads_buckets"] == found["request_threads_completed"],
        "failed requests": found["status_5xx"] >= 1,
    }
    out += [f"request_metrics: {name}" for name, holds in checks.items() if not holds]
    process = mod_wsgi.process_metrics()
    out += differences("process_metrics", process, PROCESS_METRICS)
    if not out and [sorted(row) for row in process["threads"]][:1] != [["request_count", "thread_id"]]:
        out.append(f"process_metrics: {process['threads']}")
    return out


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.endswith("/raise"):
        raise RuntimeError("as asked")
    environ["wsgi.input"].read()
    text = b"[]"
    if path.endswith("/check"):
        problems = attributes(environ) + apache_module() + events() + request_environ(environ) + metrics(environ)
        text = json.dumps(problems).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]
