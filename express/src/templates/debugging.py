IS_DEBUGGED = @IS_DEBUGGED@
COVERAGE = @COVERAGE@
PROFILES = @PROFILES@
ARCHIVE = @ARCHIVE@


def unique_name(folder):
    import time

    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, "%d-%d" % (time.time() * 1000000, os.getpid()))


def start_tools():
    import atexit

    if COVERAGE:
        import coverage

        collector = coverage.Coverage()
        collector.start()

        def report_coverage():
            collector.stop()
            collector.html_report(directory=COVERAGE, ignore_errors=True)

        atexit.register(report_coverage)
    if PROFILES:
        import cProfile

        profile = cProfile.Profile()
        profile.enable()

        def write_profile():
            profile.disable()
            profile.dump_stats(unique_name(PROFILES) + ".pstats")

        atexit.register(write_profile)
    if @DEBUGS_STARTUP@:
        import pdb

        pdb.set_trace()


def post_mortem():
    import pdb

    traceback.print_exc()
    pdb.post_mortem(sys.exc_info()[2])


class Watched:
    """An application whose exceptions open a debugger or are recorded, with what came in and what went out."""

    count = 0

    def __init__(self, application):
        self.application = application

    def failed(self, suffix):
        if self.name:
            self.write(suffix, traceback.format_exc().encode("utf-8", "replace"))
        if IS_DEBUGGED:
            post_mortem()

    def write(self, suffix, data):
        with open(self.name + suffix, "ab") as file:
            file.write(data)

    def __call__(self, environ, start_response):
        self.name = None
        if ARCHIVE:
            Watched.count += 1
            self.name = "%s-%d" % (unique_name(ARCHIVE), Watched.count)
            self.record_request(environ)

        def start(status, headers, exc_info=None):
            if self.name:
                self.write(".oheaders", repr((status, headers)).encode() + b"\n")
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        try:
            result = self.application(environ, start)
        except Exception:
            self.failed(".oaexcept")
            raise
        return self.pass_on(result)

    def record_request(self, environ):
        import io

        lines = sorted("%s=%r" % item for item in environ.items())
        self.write(".iheaders", "\n".join(lines).encode("utf-8", "replace"))
        body = environ["wsgi.input"].read()
        self.write(".icontent", body)
        environ["wsgi.input"] = io.BytesIO(body)

    def pass_on(self, result):
        try:
            for block in result:
                if self.name:
                    self.write(".ocontent", block)
                yield block
        except Exception:
            self.failed(".orexcept")
            raise
        finally:
            if hasattr(result, "close"):
                try:
                    result.close()
                except Exception:
                    self.failed(".ofexcept")
                    raise


start_tools()
