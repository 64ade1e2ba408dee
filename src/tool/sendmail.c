/* sendmail and mailq. Must never print anything but errors: cron mails what is printed. */
#include "tool/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "tool/full.h"
#include "tool/queue.h"

int mailq_main(char *config_path)
{
    char program[] = "outbox", option[] = "--config", list[] = "list";
    char *with[] = {program, option, config_path, list, NULL}, *without[] = {program, list, NULL};

    return tool_become_full(config_path ? with : without);
}

static int usage(const char *what, const char *why)
{
    return tool_fail_number(ERROR_USAGE, "sendmail %s: %s; see outbox(1)", what, why);
}

/* -b: what to do. -1 to go on, or an exit status. */
static int choose_mode(const char *mode, const SendmailOptions *options)
{
    switch (mode[0]) {
    case 'm': return -1;
    case 'p': return mailq_main(options->config_path);
    case 'd':
    case 'D': return usage("-bd", "the daemon is outboxd");
    case 'i': return usage("-bi", "there are no aliases here");
    default: return usage("-b", "of the modes there are m (send) and p (list the queue) only");
    }
}

/* Those that say nothing here are taken and left alone: programs give them. -1 to go on, or an exit
 * status. */
static int take_option(int c, SendmailOptions *options)
{
    switch (c) {
    case 'C': options->config_path = optarg; return -1;
    case 'f':
    case 'r': options->sender = optarg; return -1;
    case 'F': options->full_name = optarg; return -1;
    case 'N': options->notify = optarg; return -1;
    case 'R': options->ret = optarg; return -1;
    case 'V': options->envelope_id = optarg; return -1;
    case 't': options->header_recipients = true; return -1;
    case 'i': options->ignore_dots = true; return -1;
    case 'o': options->ignore_dots |= optarg[0] == 'i'; return -1;
    case 'O': options->ignore_dots |= text_starts_nocase(optarg, "IgnoreDots"); return -1;
    case 'b': return choose_mode(optarg, options);
    case 'q': return usage("-q", "outboxd tries by itself; `outbox retry --all` makes it try now");
    case ':': return usage((char[]){'-', (char)optopt, '\0'}, "wants a value");
    case '?': return usage((char[]){'-', (char)optopt, '\0'}, "there is no such option");
    default: return -1;
    }
}

/* Puts a copy of standard input, as far as it is the message, in its place. */
static int cut_input(Failure *f)
{
    const char *directory = getenv("TMPDIR") ?: "/var/tmp";
    _cleanup_close_ int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : sendmail_copy_to_dot(fd);

    if (r >= 0 && (lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, STDIN_FILENO) < 0))
        r = -errno;
    return r < 0 ? failure_set_errno(f, r,
                       "cannot read the message; TMPDIR names a directory for "
                       "temporary files")
                 : 0;
}

static int queue(
    const SendmailOptions *options, const char *directory, char **recipients, Failure *f)
{
    _cleanup_buffer_ Buffer start = {0}, message = {0};
    _cleanup_close_ int rest = -1;
    _cleanup_free_
    char *path = NULL;
    int r = options->ignore_dots ? 0 : cut_input(f);

    if (r >= 0)
        r = input_read_start(NULL, &start, &rest, f);
    if (r >= 0)
        r = sendmail_address(options, recipients, &start, &message, f);
    if (r >= 0)
        r = input_check(&message, rest, f);
    return r < 0 ? r : queue_message(directory, &message, rest, &path, f);
}

int sendmail_main(int argc, char **argv)
{
    const char *none[] = {NULL};
    SendmailOptions options = {0};
    Tool tool = {.overrides = none};
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *directory = NULL;
    int c, status = -1;

    opterr = 0;
    while (status < 0 &&
           (c = getopt(argc, argv, ":A:B:C:F:GIL:N:O:R:UV:X:b:d::f:h:imno:p:q::r:tvx")) >= 0)
        status = take_option(c, &options);
    if (status >= 0)
        return status;
    tool.config_path = options.config_path;
    status = tool_directory(&tool, NULL, &directory);
    if (status != 0)
        return status;
    return queue(&options, directory, argv + optind, &f) < 0 ? tool_fail(&f) : EX_OK;
}
