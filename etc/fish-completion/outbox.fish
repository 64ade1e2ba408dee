# fish completion for outbox(1): `outbox complete` says what can stand there.

function __outbox_complete
    set -l candidates (outbox complete -- (commandline -opc) (commandline -ct) 2>/dev/null)
    switch "$candidates[1]"
        case :files
            __fish_complete_path (commandline -ct)
        case :directories
            __fish_complete_directories (commandline -ct)
        case :users
            __fish_complete_users
        case '*'
            printf '%s\n' $candidates
    end
end

complete -c outbox -f -a '(__outbox_complete)'
