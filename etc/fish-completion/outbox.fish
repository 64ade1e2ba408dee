# fish completion for outbox(1): `outbox complete` says what can stand there.

function __outbox_complete
    set -l raw (commandline -ct)
    # A quote may be open still.
    set -l word (string unescape -- "$raw"; or string unescape -- "$raw'"; or string unescape -- "$raw\""; or echo -- "$raw")
    set -l front (string match -r -- '^--[^=]*=' "$word")
    set -l rest (string replace -r -- '^--[^=]*=' '' "$word")
    set -l candidates (outbox complete -- (commandline -opc) "$word" 2>/dev/null)
    switch "$candidates[1]"
        case :files/
            __fish_complete_path "$rest" | string replace -r -- '^' "$front"
        case :directories/
            __fish_complete_directories "$rest" | string replace -r -- '^' "$front"
        case :users/
            __fish_complete_users | string replace -r -- '^' "$front"
        case '*'
            printf '%s\n' $candidates
    end
end

complete -c outbox -f -a '(__outbox_complete)'
