# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mod_wsgi_ctl_global_optspecs
    string join \n socket= json no-wait timeout= h/help V/version
end

function __fish_mod_wsgi_ctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mod_wsgi_ctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mod_wsgi_ctl_using_subcommand
    set -l cmd (__fish_mod_wsgi_ctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -s V -l version -d 'Print version'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "status" -d 'Show all groups and their processes'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "top" -d 'Watch groups, processes and requests: rates, latencies, load. Keys: s sorts, p pauses, q quits'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "restart" -d 'Replace the processes of a group one by one; no request is lost'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "scale" -d 'Give a group another number of processes until httpd reads its configuration again'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "stop" -d 'End the processes of a group after their requests; new requests get 503'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "start" -d 'Start a stopped group'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "drain" -d 'Have wsgi-health say "draining", so that balancers send their requests elsewhere; what still comes is served'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "undrain" -d 'End it: wsgi-health answers as before'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "stacks" -d 'Log the Python stacks of all threads of a group, and show them'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand status" -l watch -d 'Show them again and again, until Ctrl-C' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand status" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand status" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand status" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand status" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand top" -l interval -d 'Seconds between two looks' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand top" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand top" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand top" -l once -d 'Print one screen and end'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand top" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand top" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand top" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand restart" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand restart" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand restart" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand restart" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand restart" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand scale" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand scale" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand scale" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand scale" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand scale" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stop" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stop" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stop" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stop" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stop" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand start" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand start" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand start" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand start" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand start" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand drain" -l time -d 'Wait so long for them, and then until no request is under way' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand drain" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand drain" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand drain" -l stop -d 'Then stop httpd gracefully (SIGWINCH), and wait for its end'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand drain" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand drain" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand drain" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand undrain" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand undrain" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand undrain" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand undrain" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand undrain" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stacks" -l socket -d 'The control socket; only needed when several servers run. Its name is that of WSGISocketPrefix with ".PID.control" added, PID being httpd\'s' -r -F
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stacks" -l timeout -d 'Wait so many seconds at most' -r
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stacks" -l json -d 'Print JSON'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stacks" -l no-wait -d 'Do not wait until it is done'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand stacks" -s h -l help -d 'Print help'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "status" -d 'Show all groups and their processes'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "top" -d 'Watch groups, processes and requests: rates, latencies, load. Keys: s sorts, p pauses, q quits'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "restart" -d 'Replace the processes of a group one by one; no request is lost'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "scale" -d 'Give a group another number of processes until httpd reads its configuration again'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "stop" -d 'End the processes of a group after their requests; new requests get 503'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "start" -d 'Start a stopped group'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "drain" -d 'Have wsgi-health say "draining", so that balancers send their requests elsewhere; what still comes is served'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "undrain" -d 'End it: wsgi-health answers as before'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "stacks" -d 'Log the Python stacks of all threads of a group, and show them'
complete -c mod_wsgi-ctl -n "__fish_mod_wsgi_ctl_using_subcommand help; and not __fish_seen_subcommand_from status top restart scale stop start drain undrain stacks help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
