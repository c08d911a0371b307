# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mod_wsgi_express_global_optspecs
    string join \n h/help V/version
end

function __fish_mod_wsgi_express_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mod_wsgi_express_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mod_wsgi_express_using_subcommand
    set -l cmd (__fish_mod_wsgi_express_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -s V -l version -d 'Print version'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "start-server" -d 'Start a server for an application, in the foreground'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "setup-server" -d 'Write the files of such a server and start nothing'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "check" -d 'Check what can be known before a start, as the user who will run the application'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "config" -d 'Print the configuration, each line below the option that made it'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "systemd" -d 'Print a unit for systemd'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "module-config" -d 'Print the lines of httpd\'s configuration that load the module'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "install-module" -d 'Copy the module into httpd\'s folder and print the lines that load it'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "module-location" -d 'Print where the module is'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "ctl" -d 'Look at the processes of a running server, restart, scale, stop and start them (mod_wsgi-ctl)'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l entry-point -d 'The application; the same as the argument without a name.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l application-type -d 'What the entry point is: script (a Python file), module (a dotted name), paste (an ini file) or static (a folder of files, no Python). [default: by the entry point: a file is a script, *.ini is paste, a folder is static, else a module]' -r -f -a "script\t''
module\t''
paste\t''
static\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l callable-object -d 'The name of the WSGI callable in the script or module. [default: application]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l application-group -d 'The interpreter that runs the application. [default: %{GLOBAL}, the main interpreter]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l process-group -d 'The name of the daemon process group, also shown in the title of its processes. [default: HOST:PORT]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l mount-point -d 'The URL path below which the application is found. [default: /]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l map-head-to-get -d 'Whether the application sees GET for a HEAD request, so that output filters see its body. [default: Auto]' -r -f -a "Auto\t''
On\t''
Off\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l request-buffering -d 'Receive request bodies up to this size (as 10M) before the application is called: their length is known then, and slow clients hold no thread.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l switch-interval -d 'How long a thread keeps the GIL while another one waits for it.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l host -d 'The address to listen on. [default: all addresses]' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l port -d 'The port for HTTP. [default: 8000]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l server-name -d 'Serve requests for this host name only. With www. in front, requests without it are redirected.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l server-alias -d 'Another host name; * and ? are wildcards.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l server-backlog -d 'How many connections the kernel queues. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l keep-alive-timeout -d 'How long an idle connection is kept; 0 closes it after each response. [default: 2]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l limit-request-body -d 'The largest request body; a larger one is answered with 413. 0 means no limit. [default: 10485760]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l processes -d 'Daemon processes. Giving it at all makes wsgi.multiprocess true. [default: 1]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l threads -d 'Threads of each daemon process. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l max-clients -d 'Connections that httpd handles at once; never fewer than processes x threads. [default: 10 + max(10, 1.5 x processes x threads)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l initial-workers -d 'The part of httpd\'s workers that is started at once.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l minimum-spare-workers -d 'The part of httpd\'s workers that is kept idle at least.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l maximum-spare-workers -d 'The part of httpd\'s workers that is kept idle at most.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l server-mpm -d 'An MPM that may be used. [default: the first that is installed: event, worker, prefork]' -r -f -a "event\t''
worker\t''
prefork\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l maximum-requests -d 'Replace a process after so many requests; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l restart-interval -d 'Replace a process after this time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l cpu-time-limit -d 'Replace a process after so much CPU time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l inactivity-timeout -d 'Replace a process that was idle so long; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l ignore-activity -d 'Requests below this path do not count as activity.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l startup-timeout -d 'The time to load the application in; then the process is replaced. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l shutdown-timeout -d 'The time a process has to end once it takes no more requests. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l graceful-timeout -d 'How long a process that is to be replaced goes on with its requests. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l eviction-timeout -d 'The same after SIGUSR1; 0: as --graceful-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l deadlock-timeout -d 'Replace a process whose GIL was not free for so long; 0: never. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l request-timeout -d 'The time a request may take; with several threads longer, depending on the others. 0: any. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l interrupt-timeout -d 'First raise an exception in a request that takes too long, and answer 504; replace the process after this time. 0: do not. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l queue-timeout -d 'Answer 504 to a request that has waited so long; 0: never. [default: 45]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l connect-timeout -d 'How long httpd tries to reach a daemon process. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l socket-timeout -d 'How long httpd waits for data of a client or of a daemon process. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l response-socket-timeout -d 'How long httpd waits until a client takes data; 0: as --socket-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l proxy-timeout -d 'How long httpd waits for a server behind a proxy option.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l header-timeout -d 'The time for the headers of a request; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l header-max-timeout -d 'The longest this grows to while data comes at --header-min-rate. [default: 30]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l header-min-rate -d 'Bytes that give the headers another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l body-timeout -d 'The time for the first bytes of a body; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l body-max-timeout -d 'The longest this grows to; 0: any. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l body-min-rate -d 'Bytes that give the body another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l stop-timeout -d 'How long running requests may go on after SIGTERM; 0: until they end. [default: 8]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l daemon-backlog -d 'Requests that the kernel queues before a daemon process. [default: 100]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l send-buffer-size -d 'Socket buffer between httpd and a daemon process; 0: the system\'s. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l receive-buffer-size -d 'The same in the other direction. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l header-buffer-size -d 'Room for the headers of a response; 0: 32768. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l response-buffer-size -d 'Bytes of a response that httpd holds at most for a slow client; 0: 8388608. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l response-flush-delay -d 'How long httpd waits for more of a response before it sends what it has; 0: not at all. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l socket-prefix -d 'The folder for the sockets of the daemon processes. [default: the server root]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l document-root -d 'Files found here are sent; everything else goes to the application. [default: SERVER-ROOT/htdocs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l url-alias -d 'Serve a folder or one file at this path.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l directory-index -d 'The file that stands for its folder.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l allow-override -d 'What .htaccess files may set. [default: None]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l error-document -d 'The page for a status.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l add-handler -d 'Files of the document root with this extension are given to a Python script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l rewrite-rules -d 'Rewrite rules that hold before the application is asked. [default: SERVER-ROOT/rewrite.conf]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l include-file -d 'A file with further directives, read last.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l mime-types -d 'The file with the types of file extensions. [default: the system\'s mime.types]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l proxy-mount-point -d 'Another server answers below this path.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l proxy-url-alias -d 'The same as --proxy-mount-point.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l proxy-virtual-host -d 'Another server answers for this host name.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l trust-proxy -d 'An address or network of proxies in front, whose headers are believed.' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l trust-proxy-header -d 'A header that such a proxy sets.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l host-access-script -d 'A script with allow_access(), asked about each request.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l auth-user-script -d 'A script with check_password() (Basic) or get_realm_hash() (Digest).' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l auth-type -d 'How clients prove who they are. [default: Basic]' -r -f -a "Basic\t''
Digest\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l auth-group-script -d 'A script with groups_for_user(); needs --auth-user-script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l auth-group -d 'The group that a user must belong to, with --auth-group-script. [default: wsgi]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l https-port -d 'The port for HTTPS; needs a certificate and a key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l ssl-port -d 'The same as --https-port.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l ssl-certificate-file -d 'The certificate, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l ssl-certificate-key-file -d 'Its private key, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l ssl-certificate -d 'Both at once: PREFIX.crt and PREFIX.key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l ssl-certificate-chain-file -d 'Certificates between the server\'s and that of the authority.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l ssl-ca-certificate-file -d 'Authorities for the certificates of clients; clients must then have one.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l ssl-verify-client -d 'Ask for a client certificate below this path only. [default: the whole site]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l hsts-policy -d 'With --https-only: the Strict-Transport-Security header, e.g. "max-age=31536000".' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l working-directory -d 'The working directory of the application; modules are found there. [default: where the command was run]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l python-path -d 'A further folder to find modules in.' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l python-home -d 'The virtual environment or installation of Python to run. [default: the virtual environment or Python that the command belongs to, else python3]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l python-eggs -d 'The folder that eggs are unpacked in. [default: SERVER-ROOT/python-eggs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l python-warnings -d 'As python -W.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l setenv -d 'An entry of the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l passenv -d 'An environment variable to copy into the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l envvars-script -d 'A shell script that sets environment variables, read before httpd starts. [default: SERVER-ROOT/envvars]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l locale -d 'The locale of the application. [default: as the command was run; C.UTF-8 instead of C]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l lang -d 'The same as --locale.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l user -d 'Started as root: the user that everything but httpd\'s parent runs as. [default: who runs the command]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l group -d 'Started as root: the group. [default: the group of the user]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l log-directory -d 'The folder for log files; --log-to-terminal then has no effect. [default: SERVER-ROOT]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l log-level -d 'As httpd\'s LogLevel, e.g. info, or "warn wsgi:debug". [default: warn]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l access-log-format -d 'common, combined, or a format of httpd\'s. [default: common]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l error-log-format -d 'A format of httpd\'s. [default: httpd\'s]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l error-log-name -d 'The name of the error log. [default: error_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l access-log-name -d 'The name of the access log. [default: access_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l startup-log-name -d 'The name of the startup log. [default: startup_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l max-log-size -d 'The size at which --rotate-logs does so. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l rotatelogs-executable -d 'The rotatelogs program. [default: the one that is installed]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l telemetry-service -d 'The socket of a service that takes metrics.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l telemetry-ui-port -d 'The port of that service\'s pages. [default: 8888]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l telemetry-interval -d 'The time between two samples. [default: 1.0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l telemetry-options -d 'Further settings, as in the directive.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l slow-requests -d 'Log requests that take longer, with the place where they are.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l service-script -d 'Run a Python script in a process of its own.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l service-user -d 'The user of that process.' -r -f -a "(__fish_complete_users)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l service-group -d 'Its group.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l service-log-file -d 'Its own log file, in the folder for logs.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l server-root -d 'The folder for all generated files; made when missing. [default: ${TMPDIR:-/tmp}/mod_wsgi-HOST:PORT:UID]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l pid-file -d 'The file with the process id of httpd. [default: SERVER-ROOT/httpd.pid]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l process-name -d 'The name of httpd\'s parent in a list of processes. [default: HTTPD (mod_wsgi-express)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l httpd-executable -d 'The httpd program. [default: the one that is installed; HTTPD in the environment goes first]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l modules-directory -d 'The folder with httpd\'s modules. [default: that of httpd]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l shell-executable -d 'The shell that apachectl runs in. [default: bash, else sh]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l coverage-directory -d 'The folder for it. [default: SERVER-ROOT/htmlcov]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l profiler-directory -d 'The folder for it. [default: SERVER-ROOT/pstats]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l recorder-directory -d 'The folder for them. [default: SERVER-ROOT/archive]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l gdb-executable -d 'The gdb program. [default: gdb]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l chunked-request -d 'Accept requests whose body has no announced length.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l embedded-mode -d 'Run the application in httpd\'s own processes instead of daemon processes; nothing is reloaded.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l orphan-interpreter -d 'Do not tear down Python when a process ends: atexit functions do not run.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l free-threading -d 'Run a free-threaded Python without its GIL; refused for other builds of Python.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l disable-reloading -d 'Do not look whether the entry point has changed.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l reload-on-changes -d 'Replace the processes when a file of the application changes; code that cannot be imported leaves the old processes at work.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l enable-docs -d 'Serve the documentation at /__wsgi__/docs.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l http2 -d 'Speak HTTP/2 too.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l allow-localhost -d 'With --server-name: requests for other names are answered when they come from this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l enable-sendfile -d 'Send files by sendfile().'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l directory-listing -d 'List the files of folders of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l error-override -d 'Error pages of httpd replace those of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l compress-responses -d 'Compress responses that are text.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l with-cgi -d 'Run *.cgi files of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l with-php5 -d 'Run PHP 5.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l ssl-environment -d 'Put the SSL_ variables into the environ of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l https-only -d 'Redirect HTTP to HTTPS.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l log-to-terminal -d 'Log to standard error and standard output.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l access-log -d 'Log each request.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l startup-log -d 'Log what goes wrong while httpd starts in a file of its own.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l rotate-logs -d 'Begin new log files when they grow too large.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l verbose-debugging -d 'Log more.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l server-status -d 'Show httpd\'s status at /server-status to this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l server-metrics -d 'Let applications ask for metrics.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l enable-telemetry -d 'Start such a service.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l setup-only -d 'Write the files and start nothing.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l debug-mode -d 'Run everything in one process on the terminal, one request at a time.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l enable-debugger -d 'Open pdb when the application fails; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l debugger-startup -d 'Open pdb before the application is loaded; needs --enable-debugger.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l enable-coverage -d 'Write a report of coverage.py at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l enable-profiler -d 'Write a cProfile dump at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l enable-recorder -d 'Record each request and its response; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -l enable-gdb -d 'Run httpd under gdb; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand start-server" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l entry-point -d 'The application; the same as the argument without a name.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l application-type -d 'What the entry point is: script (a Python file), module (a dotted name), paste (an ini file) or static (a folder of files, no Python). [default: by the entry point: a file is a script, *.ini is paste, a folder is static, else a module]' -r -f -a "script\t''
module\t''
paste\t''
static\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l callable-object -d 'The name of the WSGI callable in the script or module. [default: application]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l application-group -d 'The interpreter that runs the application. [default: %{GLOBAL}, the main interpreter]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l process-group -d 'The name of the daemon process group, also shown in the title of its processes. [default: HOST:PORT]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l mount-point -d 'The URL path below which the application is found. [default: /]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l map-head-to-get -d 'Whether the application sees GET for a HEAD request, so that output filters see its body. [default: Auto]' -r -f -a "Auto\t''
On\t''
Off\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l request-buffering -d 'Receive request bodies up to this size (as 10M) before the application is called: their length is known then, and slow clients hold no thread.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l switch-interval -d 'How long a thread keeps the GIL while another one waits for it.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l host -d 'The address to listen on. [default: all addresses]' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l port -d 'The port for HTTP. [default: 8000]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l server-name -d 'Serve requests for this host name only. With www. in front, requests without it are redirected.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l server-alias -d 'Another host name; * and ? are wildcards.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l server-backlog -d 'How many connections the kernel queues. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l keep-alive-timeout -d 'How long an idle connection is kept; 0 closes it after each response. [default: 2]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l limit-request-body -d 'The largest request body; a larger one is answered with 413. 0 means no limit. [default: 10485760]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l processes -d 'Daemon processes. Giving it at all makes wsgi.multiprocess true. [default: 1]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l threads -d 'Threads of each daemon process. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l max-clients -d 'Connections that httpd handles at once; never fewer than processes x threads. [default: 10 + max(10, 1.5 x processes x threads)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l initial-workers -d 'The part of httpd\'s workers that is started at once.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l minimum-spare-workers -d 'The part of httpd\'s workers that is kept idle at least.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l maximum-spare-workers -d 'The part of httpd\'s workers that is kept idle at most.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l server-mpm -d 'An MPM that may be used. [default: the first that is installed: event, worker, prefork]' -r -f -a "event\t''
worker\t''
prefork\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l maximum-requests -d 'Replace a process after so many requests; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l restart-interval -d 'Replace a process after this time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l cpu-time-limit -d 'Replace a process after so much CPU time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l inactivity-timeout -d 'Replace a process that was idle so long; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l ignore-activity -d 'Requests below this path do not count as activity.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l startup-timeout -d 'The time to load the application in; then the process is replaced. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l shutdown-timeout -d 'The time a process has to end once it takes no more requests. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l graceful-timeout -d 'How long a process that is to be replaced goes on with its requests. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l eviction-timeout -d 'The same after SIGUSR1; 0: as --graceful-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l deadlock-timeout -d 'Replace a process whose GIL was not free for so long; 0: never. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l request-timeout -d 'The time a request may take; with several threads longer, depending on the others. 0: any. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l interrupt-timeout -d 'First raise an exception in a request that takes too long, and answer 504; replace the process after this time. 0: do not. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l queue-timeout -d 'Answer 504 to a request that has waited so long; 0: never. [default: 45]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l connect-timeout -d 'How long httpd tries to reach a daemon process. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l socket-timeout -d 'How long httpd waits for data of a client or of a daemon process. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l response-socket-timeout -d 'How long httpd waits until a client takes data; 0: as --socket-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l proxy-timeout -d 'How long httpd waits for a server behind a proxy option.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l header-timeout -d 'The time for the headers of a request; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l header-max-timeout -d 'The longest this grows to while data comes at --header-min-rate. [default: 30]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l header-min-rate -d 'Bytes that give the headers another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l body-timeout -d 'The time for the first bytes of a body; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l body-max-timeout -d 'The longest this grows to; 0: any. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l body-min-rate -d 'Bytes that give the body another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l stop-timeout -d 'How long running requests may go on after SIGTERM; 0: until they end. [default: 8]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l daemon-backlog -d 'Requests that the kernel queues before a daemon process. [default: 100]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l send-buffer-size -d 'Socket buffer between httpd and a daemon process; 0: the system\'s. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l receive-buffer-size -d 'The same in the other direction. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l header-buffer-size -d 'Room for the headers of a response; 0: 32768. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l response-buffer-size -d 'Bytes of a response that httpd holds at most for a slow client; 0: 8388608. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l response-flush-delay -d 'How long httpd waits for more of a response before it sends what it has; 0: not at all. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l socket-prefix -d 'The folder for the sockets of the daemon processes. [default: the server root]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l document-root -d 'Files found here are sent; everything else goes to the application. [default: SERVER-ROOT/htdocs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l url-alias -d 'Serve a folder or one file at this path.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l directory-index -d 'The file that stands for its folder.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l allow-override -d 'What .htaccess files may set. [default: None]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l error-document -d 'The page for a status.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l add-handler -d 'Files of the document root with this extension are given to a Python script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l rewrite-rules -d 'Rewrite rules that hold before the application is asked. [default: SERVER-ROOT/rewrite.conf]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l include-file -d 'A file with further directives, read last.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l mime-types -d 'The file with the types of file extensions. [default: the system\'s mime.types]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l proxy-mount-point -d 'Another server answers below this path.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l proxy-url-alias -d 'The same as --proxy-mount-point.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l proxy-virtual-host -d 'Another server answers for this host name.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l trust-proxy -d 'An address or network of proxies in front, whose headers are believed.' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l trust-proxy-header -d 'A header that such a proxy sets.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l host-access-script -d 'A script with allow_access(), asked about each request.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l auth-user-script -d 'A script with check_password() (Basic) or get_realm_hash() (Digest).' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l auth-type -d 'How clients prove who they are. [default: Basic]' -r -f -a "Basic\t''
Digest\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l auth-group-script -d 'A script with groups_for_user(); needs --auth-user-script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l auth-group -d 'The group that a user must belong to, with --auth-group-script. [default: wsgi]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l https-port -d 'The port for HTTPS; needs a certificate and a key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l ssl-port -d 'The same as --https-port.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l ssl-certificate-file -d 'The certificate, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l ssl-certificate-key-file -d 'Its private key, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l ssl-certificate -d 'Both at once: PREFIX.crt and PREFIX.key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l ssl-certificate-chain-file -d 'Certificates between the server\'s and that of the authority.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l ssl-ca-certificate-file -d 'Authorities for the certificates of clients; clients must then have one.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l ssl-verify-client -d 'Ask for a client certificate below this path only. [default: the whole site]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l hsts-policy -d 'With --https-only: the Strict-Transport-Security header, e.g. "max-age=31536000".' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l working-directory -d 'The working directory of the application; modules are found there. [default: where the command was run]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l python-path -d 'A further folder to find modules in.' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l python-home -d 'The virtual environment or installation of Python to run. [default: the virtual environment or Python that the command belongs to, else python3]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l python-eggs -d 'The folder that eggs are unpacked in. [default: SERVER-ROOT/python-eggs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l python-warnings -d 'As python -W.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l setenv -d 'An entry of the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l passenv -d 'An environment variable to copy into the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l envvars-script -d 'A shell script that sets environment variables, read before httpd starts. [default: SERVER-ROOT/envvars]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l locale -d 'The locale of the application. [default: as the command was run; C.UTF-8 instead of C]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l lang -d 'The same as --locale.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l user -d 'Started as root: the user that everything but httpd\'s parent runs as. [default: who runs the command]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l group -d 'Started as root: the group. [default: the group of the user]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l log-directory -d 'The folder for log files; --log-to-terminal then has no effect. [default: SERVER-ROOT]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l log-level -d 'As httpd\'s LogLevel, e.g. info, or "warn wsgi:debug". [default: warn]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l access-log-format -d 'common, combined, or a format of httpd\'s. [default: common]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l error-log-format -d 'A format of httpd\'s. [default: httpd\'s]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l error-log-name -d 'The name of the error log. [default: error_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l access-log-name -d 'The name of the access log. [default: access_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l startup-log-name -d 'The name of the startup log. [default: startup_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l max-log-size -d 'The size at which --rotate-logs does so. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l rotatelogs-executable -d 'The rotatelogs program. [default: the one that is installed]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l telemetry-service -d 'The socket of a service that takes metrics.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l telemetry-ui-port -d 'The port of that service\'s pages. [default: 8888]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l telemetry-interval -d 'The time between two samples. [default: 1.0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l telemetry-options -d 'Further settings, as in the directive.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l slow-requests -d 'Log requests that take longer, with the place where they are.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l service-script -d 'Run a Python script in a process of its own.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l service-user -d 'The user of that process.' -r -f -a "(__fish_complete_users)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l service-group -d 'Its group.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l service-log-file -d 'Its own log file, in the folder for logs.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l server-root -d 'The folder for all generated files; made when missing. [default: ${TMPDIR:-/tmp}/mod_wsgi-HOST:PORT:UID]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l pid-file -d 'The file with the process id of httpd. [default: SERVER-ROOT/httpd.pid]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l process-name -d 'The name of httpd\'s parent in a list of processes. [default: HTTPD (mod_wsgi-express)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l httpd-executable -d 'The httpd program. [default: the one that is installed; HTTPD in the environment goes first]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l modules-directory -d 'The folder with httpd\'s modules. [default: that of httpd]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l shell-executable -d 'The shell that apachectl runs in. [default: bash, else sh]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l coverage-directory -d 'The folder for it. [default: SERVER-ROOT/htmlcov]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l profiler-directory -d 'The folder for it. [default: SERVER-ROOT/pstats]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l recorder-directory -d 'The folder for them. [default: SERVER-ROOT/archive]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l gdb-executable -d 'The gdb program. [default: gdb]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l chunked-request -d 'Accept requests whose body has no announced length.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l embedded-mode -d 'Run the application in httpd\'s own processes instead of daemon processes; nothing is reloaded.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l orphan-interpreter -d 'Do not tear down Python when a process ends: atexit functions do not run.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l free-threading -d 'Run a free-threaded Python without its GIL; refused for other builds of Python.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l disable-reloading -d 'Do not look whether the entry point has changed.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l reload-on-changes -d 'Replace the processes when a file of the application changes; code that cannot be imported leaves the old processes at work.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l enable-docs -d 'Serve the documentation at /__wsgi__/docs.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l http2 -d 'Speak HTTP/2 too.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l allow-localhost -d 'With --server-name: requests for other names are answered when they come from this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l enable-sendfile -d 'Send files by sendfile().'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l directory-listing -d 'List the files of folders of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l error-override -d 'Error pages of httpd replace those of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l compress-responses -d 'Compress responses that are text.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l with-cgi -d 'Run *.cgi files of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l with-php5 -d 'Run PHP 5.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l ssl-environment -d 'Put the SSL_ variables into the environ of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l https-only -d 'Redirect HTTP to HTTPS.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l log-to-terminal -d 'Log to standard error and standard output.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l access-log -d 'Log each request.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l startup-log -d 'Log what goes wrong while httpd starts in a file of its own.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l rotate-logs -d 'Begin new log files when they grow too large.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l verbose-debugging -d 'Log more.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l server-status -d 'Show httpd\'s status at /server-status to this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l server-metrics -d 'Let applications ask for metrics.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l enable-telemetry -d 'Start such a service.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l setup-only -d 'Write the files and start nothing.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l debug-mode -d 'Run everything in one process on the terminal, one request at a time.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l enable-debugger -d 'Open pdb when the application fails; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l debugger-startup -d 'Open pdb before the application is loaded; needs --enable-debugger.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l enable-coverage -d 'Write a report of coverage.py at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l enable-profiler -d 'Write a cProfile dump at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l enable-recorder -d 'Record each request and its response; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -l enable-gdb -d 'Run httpd under gdb; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand setup-server" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l entry-point -d 'The application; the same as the argument without a name.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l application-type -d 'What the entry point is: script (a Python file), module (a dotted name), paste (an ini file) or static (a folder of files, no Python). [default: by the entry point: a file is a script, *.ini is paste, a folder is static, else a module]' -r -f -a "script\t''
module\t''
paste\t''
static\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l callable-object -d 'The name of the WSGI callable in the script or module. [default: application]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l application-group -d 'The interpreter that runs the application. [default: %{GLOBAL}, the main interpreter]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l process-group -d 'The name of the daemon process group, also shown in the title of its processes. [default: HOST:PORT]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l mount-point -d 'The URL path below which the application is found. [default: /]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l map-head-to-get -d 'Whether the application sees GET for a HEAD request, so that output filters see its body. [default: Auto]' -r -f -a "Auto\t''
On\t''
Off\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l request-buffering -d 'Receive request bodies up to this size (as 10M) before the application is called: their length is known then, and slow clients hold no thread.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l switch-interval -d 'How long a thread keeps the GIL while another one waits for it.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l host -d 'The address to listen on. [default: all addresses]' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l port -d 'The port for HTTP. [default: 8000]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l server-name -d 'Serve requests for this host name only. With www. in front, requests without it are redirected.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l server-alias -d 'Another host name; * and ? are wildcards.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l server-backlog -d 'How many connections the kernel queues. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l keep-alive-timeout -d 'How long an idle connection is kept; 0 closes it after each response. [default: 2]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l limit-request-body -d 'The largest request body; a larger one is answered with 413. 0 means no limit. [default: 10485760]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l processes -d 'Daemon processes. Giving it at all makes wsgi.multiprocess true. [default: 1]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l threads -d 'Threads of each daemon process. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l max-clients -d 'Connections that httpd handles at once; never fewer than processes x threads. [default: 10 + max(10, 1.5 x processes x threads)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l initial-workers -d 'The part of httpd\'s workers that is started at once.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l minimum-spare-workers -d 'The part of httpd\'s workers that is kept idle at least.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l maximum-spare-workers -d 'The part of httpd\'s workers that is kept idle at most.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l server-mpm -d 'An MPM that may be used. [default: the first that is installed: event, worker, prefork]' -r -f -a "event\t''
worker\t''
prefork\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l maximum-requests -d 'Replace a process after so many requests; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l restart-interval -d 'Replace a process after this time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l cpu-time-limit -d 'Replace a process after so much CPU time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l inactivity-timeout -d 'Replace a process that was idle so long; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l ignore-activity -d 'Requests below this path do not count as activity.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l startup-timeout -d 'The time to load the application in; then the process is replaced. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l shutdown-timeout -d 'The time a process has to end once it takes no more requests. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l graceful-timeout -d 'How long a process that is to be replaced goes on with its requests. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l eviction-timeout -d 'The same after SIGUSR1; 0: as --graceful-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l deadlock-timeout -d 'Replace a process whose GIL was not free for so long; 0: never. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l request-timeout -d 'The time a request may take; with several threads longer, depending on the others. 0: any. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l interrupt-timeout -d 'First raise an exception in a request that takes too long, and answer 504; replace the process after this time. 0: do not. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l queue-timeout -d 'Answer 504 to a request that has waited so long; 0: never. [default: 45]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l connect-timeout -d 'How long httpd tries to reach a daemon process. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l socket-timeout -d 'How long httpd waits for data of a client or of a daemon process. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l response-socket-timeout -d 'How long httpd waits until a client takes data; 0: as --socket-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l proxy-timeout -d 'How long httpd waits for a server behind a proxy option.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l header-timeout -d 'The time for the headers of a request; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l header-max-timeout -d 'The longest this grows to while data comes at --header-min-rate. [default: 30]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l header-min-rate -d 'Bytes that give the headers another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l body-timeout -d 'The time for the first bytes of a body; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l body-max-timeout -d 'The longest this grows to; 0: any. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l body-min-rate -d 'Bytes that give the body another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l stop-timeout -d 'How long running requests may go on after SIGTERM; 0: until they end. [default: 8]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l daemon-backlog -d 'Requests that the kernel queues before a daemon process. [default: 100]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l send-buffer-size -d 'Socket buffer between httpd and a daemon process; 0: the system\'s. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l receive-buffer-size -d 'The same in the other direction. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l header-buffer-size -d 'Room for the headers of a response; 0: 32768. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l response-buffer-size -d 'Bytes of a response that httpd holds at most for a slow client; 0: 8388608. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l response-flush-delay -d 'How long httpd waits for more of a response before it sends what it has; 0: not at all. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l socket-prefix -d 'The folder for the sockets of the daemon processes. [default: the server root]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l document-root -d 'Files found here are sent; everything else goes to the application. [default: SERVER-ROOT/htdocs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l url-alias -d 'Serve a folder or one file at this path.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l directory-index -d 'The file that stands for its folder.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l allow-override -d 'What .htaccess files may set. [default: None]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l error-document -d 'The page for a status.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l add-handler -d 'Files of the document root with this extension are given to a Python script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l rewrite-rules -d 'Rewrite rules that hold before the application is asked. [default: SERVER-ROOT/rewrite.conf]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l include-file -d 'A file with further directives, read last.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l mime-types -d 'The file with the types of file extensions. [default: the system\'s mime.types]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l proxy-mount-point -d 'Another server answers below this path.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l proxy-url-alias -d 'The same as --proxy-mount-point.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l proxy-virtual-host -d 'Another server answers for this host name.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l trust-proxy -d 'An address or network of proxies in front, whose headers are believed.' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l trust-proxy-header -d 'A header that such a proxy sets.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l host-access-script -d 'A script with allow_access(), asked about each request.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l auth-user-script -d 'A script with check_password() (Basic) or get_realm_hash() (Digest).' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l auth-type -d 'How clients prove who they are. [default: Basic]' -r -f -a "Basic\t''
Digest\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l auth-group-script -d 'A script with groups_for_user(); needs --auth-user-script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l auth-group -d 'The group that a user must belong to, with --auth-group-script. [default: wsgi]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l https-port -d 'The port for HTTPS; needs a certificate and a key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l ssl-port -d 'The same as --https-port.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l ssl-certificate-file -d 'The certificate, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l ssl-certificate-key-file -d 'Its private key, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l ssl-certificate -d 'Both at once: PREFIX.crt and PREFIX.key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l ssl-certificate-chain-file -d 'Certificates between the server\'s and that of the authority.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l ssl-ca-certificate-file -d 'Authorities for the certificates of clients; clients must then have one.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l ssl-verify-client -d 'Ask for a client certificate below this path only. [default: the whole site]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l hsts-policy -d 'With --https-only: the Strict-Transport-Security header, e.g. "max-age=31536000".' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l working-directory -d 'The working directory of the application; modules are found there. [default: where the command was run]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l python-path -d 'A further folder to find modules in.' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l python-home -d 'The virtual environment or installation of Python to run. [default: the virtual environment or Python that the command belongs to, else python3]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l python-eggs -d 'The folder that eggs are unpacked in. [default: SERVER-ROOT/python-eggs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l python-warnings -d 'As python -W.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l setenv -d 'An entry of the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l passenv -d 'An environment variable to copy into the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l envvars-script -d 'A shell script that sets environment variables, read before httpd starts. [default: SERVER-ROOT/envvars]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l locale -d 'The locale of the application. [default: as the command was run; C.UTF-8 instead of C]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l lang -d 'The same as --locale.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l user -d 'Started as root: the user that everything but httpd\'s parent runs as. [default: who runs the command]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l group -d 'Started as root: the group. [default: the group of the user]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l log-directory -d 'The folder for log files; --log-to-terminal then has no effect. [default: SERVER-ROOT]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l log-level -d 'As httpd\'s LogLevel, e.g. info, or "warn wsgi:debug". [default: warn]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l access-log-format -d 'common, combined, or a format of httpd\'s. [default: common]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l error-log-format -d 'A format of httpd\'s. [default: httpd\'s]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l error-log-name -d 'The name of the error log. [default: error_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l access-log-name -d 'The name of the access log. [default: access_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l startup-log-name -d 'The name of the startup log. [default: startup_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l max-log-size -d 'The size at which --rotate-logs does so. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l rotatelogs-executable -d 'The rotatelogs program. [default: the one that is installed]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l telemetry-service -d 'The socket of a service that takes metrics.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l telemetry-ui-port -d 'The port of that service\'s pages. [default: 8888]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l telemetry-interval -d 'The time between two samples. [default: 1.0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l telemetry-options -d 'Further settings, as in the directive.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l slow-requests -d 'Log requests that take longer, with the place where they are.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l service-script -d 'Run a Python script in a process of its own.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l service-user -d 'The user of that process.' -r -f -a "(__fish_complete_users)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l service-group -d 'Its group.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l service-log-file -d 'Its own log file, in the folder for logs.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l server-root -d 'The folder for all generated files; made when missing. [default: ${TMPDIR:-/tmp}/mod_wsgi-HOST:PORT:UID]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l pid-file -d 'The file with the process id of httpd. [default: SERVER-ROOT/httpd.pid]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l process-name -d 'The name of httpd\'s parent in a list of processes. [default: HTTPD (mod_wsgi-express)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l httpd-executable -d 'The httpd program. [default: the one that is installed; HTTPD in the environment goes first]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l modules-directory -d 'The folder with httpd\'s modules. [default: that of httpd]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l shell-executable -d 'The shell that apachectl runs in. [default: bash, else sh]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l coverage-directory -d 'The folder for it. [default: SERVER-ROOT/htmlcov]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l profiler-directory -d 'The folder for it. [default: SERVER-ROOT/pstats]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l recorder-directory -d 'The folder for them. [default: SERVER-ROOT/archive]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l gdb-executable -d 'The gdb program. [default: gdb]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l chunked-request -d 'Accept requests whose body has no announced length.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l embedded-mode -d 'Run the application in httpd\'s own processes instead of daemon processes; nothing is reloaded.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l orphan-interpreter -d 'Do not tear down Python when a process ends: atexit functions do not run.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l free-threading -d 'Run a free-threaded Python without its GIL; refused for other builds of Python.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l disable-reloading -d 'Do not look whether the entry point has changed.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l reload-on-changes -d 'Replace the processes when a file of the application changes; code that cannot be imported leaves the old processes at work.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l enable-docs -d 'Serve the documentation at /__wsgi__/docs.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l http2 -d 'Speak HTTP/2 too.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l allow-localhost -d 'With --server-name: requests for other names are answered when they come from this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l enable-sendfile -d 'Send files by sendfile().'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l directory-listing -d 'List the files of folders of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l error-override -d 'Error pages of httpd replace those of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l compress-responses -d 'Compress responses that are text.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l with-cgi -d 'Run *.cgi files of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l with-php5 -d 'Run PHP 5.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l ssl-environment -d 'Put the SSL_ variables into the environ of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l https-only -d 'Redirect HTTP to HTTPS.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l log-to-terminal -d 'Log to standard error and standard output.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l access-log -d 'Log each request.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l startup-log -d 'Log what goes wrong while httpd starts in a file of its own.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l rotate-logs -d 'Begin new log files when they grow too large.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l verbose-debugging -d 'Log more.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l server-status -d 'Show httpd\'s status at /server-status to this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l server-metrics -d 'Let applications ask for metrics.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l enable-telemetry -d 'Start such a service.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l setup-only -d 'Write the files and start nothing.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l debug-mode -d 'Run everything in one process on the terminal, one request at a time.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l enable-debugger -d 'Open pdb when the application fails; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l debugger-startup -d 'Open pdb before the application is loaded; needs --enable-debugger.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l enable-coverage -d 'Write a report of coverage.py at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l enable-profiler -d 'Write a cProfile dump at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l enable-recorder -d 'Record each request and its response; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -l enable-gdb -d 'Run httpd under gdb; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand check" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l entry-point -d 'The application; the same as the argument without a name.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l application-type -d 'What the entry point is: script (a Python file), module (a dotted name), paste (an ini file) or static (a folder of files, no Python). [default: by the entry point: a file is a script, *.ini is paste, a folder is static, else a module]' -r -f -a "script\t''
module\t''
paste\t''
static\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l callable-object -d 'The name of the WSGI callable in the script or module. [default: application]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l application-group -d 'The interpreter that runs the application. [default: %{GLOBAL}, the main interpreter]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l process-group -d 'The name of the daemon process group, also shown in the title of its processes. [default: HOST:PORT]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l mount-point -d 'The URL path below which the application is found. [default: /]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l map-head-to-get -d 'Whether the application sees GET for a HEAD request, so that output filters see its body. [default: Auto]' -r -f -a "Auto\t''
On\t''
Off\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l request-buffering -d 'Receive request bodies up to this size (as 10M) before the application is called: their length is known then, and slow clients hold no thread.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l switch-interval -d 'How long a thread keeps the GIL while another one waits for it.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l host -d 'The address to listen on. [default: all addresses]' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l port -d 'The port for HTTP. [default: 8000]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l server-name -d 'Serve requests for this host name only. With www. in front, requests without it are redirected.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l server-alias -d 'Another host name; * and ? are wildcards.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l server-backlog -d 'How many connections the kernel queues. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l keep-alive-timeout -d 'How long an idle connection is kept; 0 closes it after each response. [default: 2]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l limit-request-body -d 'The largest request body; a larger one is answered with 413. 0 means no limit. [default: 10485760]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l processes -d 'Daemon processes. Giving it at all makes wsgi.multiprocess true. [default: 1]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l threads -d 'Threads of each daemon process. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l max-clients -d 'Connections that httpd handles at once; never fewer than processes x threads. [default: 10 + max(10, 1.5 x processes x threads)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l initial-workers -d 'The part of httpd\'s workers that is started at once.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l minimum-spare-workers -d 'The part of httpd\'s workers that is kept idle at least.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l maximum-spare-workers -d 'The part of httpd\'s workers that is kept idle at most.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l server-mpm -d 'An MPM that may be used. [default: the first that is installed: event, worker, prefork]' -r -f -a "event\t''
worker\t''
prefork\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l maximum-requests -d 'Replace a process after so many requests; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l restart-interval -d 'Replace a process after this time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l cpu-time-limit -d 'Replace a process after so much CPU time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l inactivity-timeout -d 'Replace a process that was idle so long; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l ignore-activity -d 'Requests below this path do not count as activity.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l startup-timeout -d 'The time to load the application in; then the process is replaced. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l shutdown-timeout -d 'The time a process has to end once it takes no more requests. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l graceful-timeout -d 'How long a process that is to be replaced goes on with its requests. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l eviction-timeout -d 'The same after SIGUSR1; 0: as --graceful-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l deadlock-timeout -d 'Replace a process whose GIL was not free for so long; 0: never. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l request-timeout -d 'The time a request may take; with several threads longer, depending on the others. 0: any. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l interrupt-timeout -d 'First raise an exception in a request that takes too long, and answer 504; replace the process after this time. 0: do not. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l queue-timeout -d 'Answer 504 to a request that has waited so long; 0: never. [default: 45]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l connect-timeout -d 'How long httpd tries to reach a daemon process. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l socket-timeout -d 'How long httpd waits for data of a client or of a daemon process. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l response-socket-timeout -d 'How long httpd waits until a client takes data; 0: as --socket-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l proxy-timeout -d 'How long httpd waits for a server behind a proxy option.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l header-timeout -d 'The time for the headers of a request; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l header-max-timeout -d 'The longest this grows to while data comes at --header-min-rate. [default: 30]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l header-min-rate -d 'Bytes that give the headers another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l body-timeout -d 'The time for the first bytes of a body; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l body-max-timeout -d 'The longest this grows to; 0: any. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l body-min-rate -d 'Bytes that give the body another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l stop-timeout -d 'How long running requests may go on after SIGTERM; 0: until they end. [default: 8]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l daemon-backlog -d 'Requests that the kernel queues before a daemon process. [default: 100]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l send-buffer-size -d 'Socket buffer between httpd and a daemon process; 0: the system\'s. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l receive-buffer-size -d 'The same in the other direction. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l header-buffer-size -d 'Room for the headers of a response; 0: 32768. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l response-buffer-size -d 'Bytes of a response that httpd holds at most for a slow client; 0: 8388608. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l response-flush-delay -d 'How long httpd waits for more of a response before it sends what it has; 0: not at all. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l socket-prefix -d 'The folder for the sockets of the daemon processes. [default: the server root]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l document-root -d 'Files found here are sent; everything else goes to the application. [default: SERVER-ROOT/htdocs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l url-alias -d 'Serve a folder or one file at this path.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l directory-index -d 'The file that stands for its folder.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l allow-override -d 'What .htaccess files may set. [default: None]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l error-document -d 'The page for a status.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l add-handler -d 'Files of the document root with this extension are given to a Python script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l rewrite-rules -d 'Rewrite rules that hold before the application is asked. [default: SERVER-ROOT/rewrite.conf]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l include-file -d 'A file with further directives, read last.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l mime-types -d 'The file with the types of file extensions. [default: the system\'s mime.types]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l proxy-mount-point -d 'Another server answers below this path.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l proxy-url-alias -d 'The same as --proxy-mount-point.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l proxy-virtual-host -d 'Another server answers for this host name.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l trust-proxy -d 'An address or network of proxies in front, whose headers are believed.' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l trust-proxy-header -d 'A header that such a proxy sets.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l host-access-script -d 'A script with allow_access(), asked about each request.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l auth-user-script -d 'A script with check_password() (Basic) or get_realm_hash() (Digest).' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l auth-type -d 'How clients prove who they are. [default: Basic]' -r -f -a "Basic\t''
Digest\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l auth-group-script -d 'A script with groups_for_user(); needs --auth-user-script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l auth-group -d 'The group that a user must belong to, with --auth-group-script. [default: wsgi]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l https-port -d 'The port for HTTPS; needs a certificate and a key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l ssl-port -d 'The same as --https-port.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l ssl-certificate-file -d 'The certificate, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l ssl-certificate-key-file -d 'Its private key, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l ssl-certificate -d 'Both at once: PREFIX.crt and PREFIX.key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l ssl-certificate-chain-file -d 'Certificates between the server\'s and that of the authority.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l ssl-ca-certificate-file -d 'Authorities for the certificates of clients; clients must then have one.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l ssl-verify-client -d 'Ask for a client certificate below this path only. [default: the whole site]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l hsts-policy -d 'With --https-only: the Strict-Transport-Security header, e.g. "max-age=31536000".' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l working-directory -d 'The working directory of the application; modules are found there. [default: where the command was run]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l python-path -d 'A further folder to find modules in.' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l python-home -d 'The virtual environment or installation of Python to run. [default: the virtual environment or Python that the command belongs to, else python3]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l python-eggs -d 'The folder that eggs are unpacked in. [default: SERVER-ROOT/python-eggs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l python-warnings -d 'As python -W.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l setenv -d 'An entry of the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l passenv -d 'An environment variable to copy into the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l envvars-script -d 'A shell script that sets environment variables, read before httpd starts. [default: SERVER-ROOT/envvars]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l locale -d 'The locale of the application. [default: as the command was run; C.UTF-8 instead of C]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l lang -d 'The same as --locale.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l user -d 'Started as root: the user that everything but httpd\'s parent runs as. [default: who runs the command]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l group -d 'Started as root: the group. [default: the group of the user]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l log-directory -d 'The folder for log files; --log-to-terminal then has no effect. [default: SERVER-ROOT]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l log-level -d 'As httpd\'s LogLevel, e.g. info, or "warn wsgi:debug". [default: warn]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l access-log-format -d 'common, combined, or a format of httpd\'s. [default: common]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l error-log-format -d 'A format of httpd\'s. [default: httpd\'s]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l error-log-name -d 'The name of the error log. [default: error_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l access-log-name -d 'The name of the access log. [default: access_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l startup-log-name -d 'The name of the startup log. [default: startup_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l max-log-size -d 'The size at which --rotate-logs does so. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l rotatelogs-executable -d 'The rotatelogs program. [default: the one that is installed]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l telemetry-service -d 'The socket of a service that takes metrics.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l telemetry-ui-port -d 'The port of that service\'s pages. [default: 8888]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l telemetry-interval -d 'The time between two samples. [default: 1.0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l telemetry-options -d 'Further settings, as in the directive.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l slow-requests -d 'Log requests that take longer, with the place where they are.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l service-script -d 'Run a Python script in a process of its own.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l service-user -d 'The user of that process.' -r -f -a "(__fish_complete_users)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l service-group -d 'Its group.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l service-log-file -d 'Its own log file, in the folder for logs.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l server-root -d 'The folder for all generated files; made when missing. [default: ${TMPDIR:-/tmp}/mod_wsgi-HOST:PORT:UID]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l pid-file -d 'The file with the process id of httpd. [default: SERVER-ROOT/httpd.pid]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l process-name -d 'The name of httpd\'s parent in a list of processes. [default: HTTPD (mod_wsgi-express)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l httpd-executable -d 'The httpd program. [default: the one that is installed; HTTPD in the environment goes first]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l modules-directory -d 'The folder with httpd\'s modules. [default: that of httpd]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l shell-executable -d 'The shell that apachectl runs in. [default: bash, else sh]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l coverage-directory -d 'The folder for it. [default: SERVER-ROOT/htmlcov]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l profiler-directory -d 'The folder for it. [default: SERVER-ROOT/pstats]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l recorder-directory -d 'The folder for them. [default: SERVER-ROOT/archive]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l gdb-executable -d 'The gdb program. [default: gdb]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l chunked-request -d 'Accept requests whose body has no announced length.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l embedded-mode -d 'Run the application in httpd\'s own processes instead of daemon processes; nothing is reloaded.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l orphan-interpreter -d 'Do not tear down Python when a process ends: atexit functions do not run.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l free-threading -d 'Run a free-threaded Python without its GIL; refused for other builds of Python.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l disable-reloading -d 'Do not look whether the entry point has changed.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l reload-on-changes -d 'Replace the processes when a file of the application changes; code that cannot be imported leaves the old processes at work.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l enable-docs -d 'Serve the documentation at /__wsgi__/docs.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l http2 -d 'Speak HTTP/2 too.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l allow-localhost -d 'With --server-name: requests for other names are answered when they come from this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l enable-sendfile -d 'Send files by sendfile().'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l directory-listing -d 'List the files of folders of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l error-override -d 'Error pages of httpd replace those of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l compress-responses -d 'Compress responses that are text.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l with-cgi -d 'Run *.cgi files of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l with-php5 -d 'Run PHP 5.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l ssl-environment -d 'Put the SSL_ variables into the environ of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l https-only -d 'Redirect HTTP to HTTPS.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l log-to-terminal -d 'Log to standard error and standard output.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l access-log -d 'Log each request.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l startup-log -d 'Log what goes wrong while httpd starts in a file of its own.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l rotate-logs -d 'Begin new log files when they grow too large.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l verbose-debugging -d 'Log more.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l server-status -d 'Show httpd\'s status at /server-status to this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l server-metrics -d 'Let applications ask for metrics.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l enable-telemetry -d 'Start such a service.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l setup-only -d 'Write the files and start nothing.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l debug-mode -d 'Run everything in one process on the terminal, one request at a time.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l enable-debugger -d 'Open pdb when the application fails; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l debugger-startup -d 'Open pdb before the application is loaded; needs --enable-debugger.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l enable-coverage -d 'Write a report of coverage.py at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l enable-profiler -d 'Write a cProfile dump at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l enable-recorder -d 'Record each request and its response; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -l enable-gdb -d 'Run httpd under gdb; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand config" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l entry-point -d 'The application; the same as the argument without a name.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l application-type -d 'What the entry point is: script (a Python file), module (a dotted name), paste (an ini file) or static (a folder of files, no Python). [default: by the entry point: a file is a script, *.ini is paste, a folder is static, else a module]' -r -f -a "script\t''
module\t''
paste\t''
static\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l callable-object -d 'The name of the WSGI callable in the script or module. [default: application]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l application-group -d 'The interpreter that runs the application. [default: %{GLOBAL}, the main interpreter]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l process-group -d 'The name of the daemon process group, also shown in the title of its processes. [default: HOST:PORT]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l mount-point -d 'The URL path below which the application is found. [default: /]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l map-head-to-get -d 'Whether the application sees GET for a HEAD request, so that output filters see its body. [default: Auto]' -r -f -a "Auto\t''
On\t''
Off\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l request-buffering -d 'Receive request bodies up to this size (as 10M) before the application is called: their length is known then, and slow clients hold no thread.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l switch-interval -d 'How long a thread keeps the GIL while another one waits for it.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l host -d 'The address to listen on. [default: all addresses]' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l port -d 'The port for HTTP. [default: 8000]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l server-name -d 'Serve requests for this host name only. With www. in front, requests without it are redirected.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l server-alias -d 'Another host name; * and ? are wildcards.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l server-backlog -d 'How many connections the kernel queues. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l keep-alive-timeout -d 'How long an idle connection is kept; 0 closes it after each response. [default: 2]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l limit-request-body -d 'The largest request body; a larger one is answered with 413. 0 means no limit. [default: 10485760]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l processes -d 'Daemon processes. Giving it at all makes wsgi.multiprocess true. [default: 1]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l threads -d 'Threads of each daemon process. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l max-clients -d 'Connections that httpd handles at once; never fewer than processes x threads. [default: 10 + max(10, 1.5 x processes x threads)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l initial-workers -d 'The part of httpd\'s workers that is started at once.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l minimum-spare-workers -d 'The part of httpd\'s workers that is kept idle at least.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l maximum-spare-workers -d 'The part of httpd\'s workers that is kept idle at most.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l server-mpm -d 'An MPM that may be used. [default: the first that is installed: event, worker, prefork]' -r -f -a "event\t''
worker\t''
prefork\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l maximum-requests -d 'Replace a process after so many requests; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l restart-interval -d 'Replace a process after this time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l cpu-time-limit -d 'Replace a process after so much CPU time; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l inactivity-timeout -d 'Replace a process that was idle so long; 0: never. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l ignore-activity -d 'Requests below this path do not count as activity.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l startup-timeout -d 'The time to load the application in; then the process is replaced. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l shutdown-timeout -d 'The time a process has to end once it takes no more requests. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l graceful-timeout -d 'How long a process that is to be replaced goes on with its requests. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l eviction-timeout -d 'The same after SIGUSR1; 0: as --graceful-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l deadlock-timeout -d 'Replace a process whose GIL was not free for so long; 0: never. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l request-timeout -d 'The time a request may take; with several threads longer, depending on the others. 0: any. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l interrupt-timeout -d 'First raise an exception in a request that takes too long, and answer 504; replace the process after this time. 0: do not. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l queue-timeout -d 'Answer 504 to a request that has waited so long; 0: never. [default: 45]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l connect-timeout -d 'How long httpd tries to reach a daemon process. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l socket-timeout -d 'How long httpd waits for data of a client or of a daemon process. [default: 60]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l response-socket-timeout -d 'How long httpd waits until a client takes data; 0: as --socket-timeout. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l proxy-timeout -d 'How long httpd waits for a server behind a proxy option.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l header-timeout -d 'The time for the headers of a request; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l header-max-timeout -d 'The longest this grows to while data comes at --header-min-rate. [default: 30]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l header-min-rate -d 'Bytes that give the headers another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l body-timeout -d 'The time for the first bytes of a body; 0: httpd\'s default. [default: 15]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l body-max-timeout -d 'The longest this grows to; 0: any. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l body-min-rate -d 'Bytes that give the body another second. [default: 500]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l stop-timeout -d 'How long running requests may go on after SIGTERM; 0: until they end. [default: 8]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l daemon-backlog -d 'Requests that the kernel queues before a daemon process. [default: 100]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l send-buffer-size -d 'Socket buffer between httpd and a daemon process; 0: the system\'s. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l receive-buffer-size -d 'The same in the other direction. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l header-buffer-size -d 'Room for the headers of a response; 0: 32768. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l response-buffer-size -d 'Bytes of a response that httpd holds at most for a slow client; 0: 8388608. [default: 0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l response-flush-delay -d 'How long httpd waits for more of a response before it sends what it has; 0: not at all. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l socket-prefix -d 'The folder for the sockets of the daemon processes. [default: the server root]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l document-root -d 'Files found here are sent; everything else goes to the application. [default: SERVER-ROOT/htdocs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l url-alias -d 'Serve a folder or one file at this path.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l directory-index -d 'The file that stands for its folder.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l allow-override -d 'What .htaccess files may set. [default: None]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l error-document -d 'The page for a status.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l add-handler -d 'Files of the document root with this extension are given to a Python script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l rewrite-rules -d 'Rewrite rules that hold before the application is asked. [default: SERVER-ROOT/rewrite.conf]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l include-file -d 'A file with further directives, read last.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l mime-types -d 'The file with the types of file extensions. [default: the system\'s mime.types]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l proxy-mount-point -d 'Another server answers below this path.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l proxy-url-alias -d 'The same as --proxy-mount-point.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l proxy-virtual-host -d 'Another server answers for this host name.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l trust-proxy -d 'An address or network of proxies in front, whose headers are believed.' -r -f -a "(__fish_print_hostnames)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l trust-proxy-header -d 'A header that such a proxy sets.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l host-access-script -d 'A script with allow_access(), asked about each request.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l auth-user-script -d 'A script with check_password() (Basic) or get_realm_hash() (Digest).' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l auth-type -d 'How clients prove who they are. [default: Basic]' -r -f -a "Basic\t''
Digest\t''"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l auth-group-script -d 'A script with groups_for_user(); needs --auth-user-script.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l auth-group -d 'The group that a user must belong to, with --auth-group-script. [default: wsgi]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l https-port -d 'The port for HTTPS; needs a certificate and a key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l ssl-port -d 'The same as --https-port.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l ssl-certificate-file -d 'The certificate, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l ssl-certificate-key-file -d 'Its private key, in PEM form.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l ssl-certificate -d 'Both at once: PREFIX.crt and PREFIX.key.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l ssl-certificate-chain-file -d 'Certificates between the server\'s and that of the authority.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l ssl-ca-certificate-file -d 'Authorities for the certificates of clients; clients must then have one.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l ssl-verify-client -d 'Ask for a client certificate below this path only. [default: the whole site]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l hsts-policy -d 'With --https-only: the Strict-Transport-Security header, e.g. "max-age=31536000".' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l working-directory -d 'The working directory of the application; modules are found there. [default: where the command was run]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l python-path -d 'A further folder to find modules in.' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l python-home -d 'The virtual environment or installation of Python to run. [default: the virtual environment or Python that the command belongs to, else python3]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l python-eggs -d 'The folder that eggs are unpacked in. [default: SERVER-ROOT/python-eggs]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l python-warnings -d 'As python -W.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l setenv -d 'An entry of the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l passenv -d 'An environment variable to copy into the environ of each request.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l envvars-script -d 'A shell script that sets environment variables, read before httpd starts. [default: SERVER-ROOT/envvars]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l locale -d 'The locale of the application. [default: as the command was run; C.UTF-8 instead of C]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l lang -d 'The same as --locale.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l user -d 'Started as root: the user that everything but httpd\'s parent runs as. [default: who runs the command]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l group -d 'Started as root: the group. [default: the group of the user]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l log-directory -d 'The folder for log files; --log-to-terminal then has no effect. [default: SERVER-ROOT]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l log-level -d 'As httpd\'s LogLevel, e.g. info, or "warn wsgi:debug". [default: warn]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l access-log-format -d 'common, combined, or a format of httpd\'s. [default: common]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l error-log-format -d 'A format of httpd\'s. [default: httpd\'s]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l error-log-name -d 'The name of the error log. [default: error_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l access-log-name -d 'The name of the access log. [default: access_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l startup-log-name -d 'The name of the startup log. [default: startup_log]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l max-log-size -d 'The size at which --rotate-logs does so. [default: 5]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l rotatelogs-executable -d 'The rotatelogs program. [default: the one that is installed]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l telemetry-service -d 'The socket of a service that takes metrics.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l telemetry-ui-port -d 'The port of that service\'s pages. [default: 8888]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l telemetry-interval -d 'The time between two samples. [default: 1.0]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l telemetry-options -d 'Further settings, as in the directive.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l slow-requests -d 'Log requests that take longer, with the place where they are.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l service-script -d 'Run a Python script in a process of its own.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l service-user -d 'The user of that process.' -r -f -a "(__fish_complete_users)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l service-group -d 'Its group.' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l service-log-file -d 'Its own log file, in the folder for logs.' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l server-root -d 'The folder for all generated files; made when missing. [default: ${TMPDIR:-/tmp}/mod_wsgi-HOST:PORT:UID]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l pid-file -d 'The file with the process id of httpd. [default: SERVER-ROOT/httpd.pid]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l process-name -d 'The name of httpd\'s parent in a list of processes. [default: HTTPD (mod_wsgi-express)]' -r -f
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l httpd-executable -d 'The httpd program. [default: the one that is installed; HTTPD in the environment goes first]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l modules-directory -d 'The folder with httpd\'s modules. [default: that of httpd]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l shell-executable -d 'The shell that apachectl runs in. [default: bash, else sh]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l coverage-directory -d 'The folder for it. [default: SERVER-ROOT/htmlcov]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l profiler-directory -d 'The folder for it. [default: SERVER-ROOT/pstats]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l recorder-directory -d 'The folder for them. [default: SERVER-ROOT/archive]' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l gdb-executable -d 'The gdb program. [default: gdb]' -r -F
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l chunked-request -d 'Accept requests whose body has no announced length.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l embedded-mode -d 'Run the application in httpd\'s own processes instead of daemon processes; nothing is reloaded.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l orphan-interpreter -d 'Do not tear down Python when a process ends: atexit functions do not run.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l free-threading -d 'Run a free-threaded Python without its GIL; refused for other builds of Python.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l disable-reloading -d 'Do not look whether the entry point has changed.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l reload-on-changes -d 'Replace the processes when a file of the application changes; code that cannot be imported leaves the old processes at work.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l enable-docs -d 'Serve the documentation at /__wsgi__/docs.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l http2 -d 'Speak HTTP/2 too.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l allow-localhost -d 'With --server-name: requests for other names are answered when they come from this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l enable-sendfile -d 'Send files by sendfile().'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l directory-listing -d 'List the files of folders of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l error-override -d 'Error pages of httpd replace those of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l compress-responses -d 'Compress responses that are text.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l with-cgi -d 'Run *.cgi files of the document root.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l with-php5 -d 'Run PHP 5.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l ssl-environment -d 'Put the SSL_ variables into the environ of the application.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l https-only -d 'Redirect HTTP to HTTPS.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l log-to-terminal -d 'Log to standard error and standard output.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l access-log -d 'Log each request.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l startup-log -d 'Log what goes wrong while httpd starts in a file of its own.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l rotate-logs -d 'Begin new log files when they grow too large.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l verbose-debugging -d 'Log more.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l server-status -d 'Show httpd\'s status at /server-status to this machine.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l server-metrics -d 'Let applications ask for metrics.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l enable-telemetry -d 'Start such a service.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l setup-only -d 'Write the files and start nothing.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l debug-mode -d 'Run everything in one process on the terminal, one request at a time.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l enable-debugger -d 'Open pdb when the application fails; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l debugger-startup -d 'Open pdb before the application is loaded; needs --enable-debugger.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l enable-coverage -d 'Write a report of coverage.py at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l enable-profiler -d 'Write a cProfile dump at the end; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l enable-recorder -d 'Record each request and its response; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -l enable-gdb -d 'Run httpd under gdb; implies --debug-mode.'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand systemd" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand module-config" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand install-module" -l modules-directory -d 'Another folder than httpd\'s' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand install-module" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand module-location" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand ctl" -l server-root -d 'The server root; only needed when several servers run' -r -f -a "(__fish_complete_directories)"
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand ctl" -s h -l help -d 'Print help'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "start-server" -d 'Start a server for an application, in the foreground'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "setup-server" -d 'Write the files of such a server and start nothing'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "check" -d 'Check what can be known before a start, as the user who will run the application'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "config" -d 'Print the configuration, each line below the option that made it'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "systemd" -d 'Print a unit for systemd'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "module-config" -d 'Print the lines of httpd\'s configuration that load the module'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "install-module" -d 'Copy the module into httpd\'s folder and print the lines that load it'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "module-location" -d 'Print where the module is'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "ctl" -d 'Look at the processes of a running server, restart, scale, stop and start them (mod_wsgi-ctl)'
complete -c mod_wsgi-express -n "__fish_mod_wsgi_express_using_subcommand help; and not __fish_seen_subcommand_from start-server setup-server check config systemd module-config install-module module-location ctl help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
