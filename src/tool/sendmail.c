/* sendmail and mailq. Must never print anything but errors: cron mails what is printed. */
#include "tool/sendmail.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "tool/library.h"
#include "tool/local.h"
#include "tool/put.h"
#include "tool/queue.h"

/* Becomes `outbox COMMAND WORD...` with the same configuration; a NULL ends the words. */
static int become(const SendmailOptions *options, const char *const *words)
{
    const char *arguments[9] = {"outbox"}; /* with a NULL behind the last */
    size_t n = 1;

    if (options->config_path) {
        arguments[n++] = "--config";
        arguments[n++] = options->config_path;
    }
    while (*words)
        arguments[n++] = *words++;
    return tool_run_rest((int)n, (char **)arguments);
}

/* -bp. */
static int list_queue(const SendmailOptions *options)
{
    return become(options,
        (const char *[]){"mailq", options->format ? "--format" : NULL, options->format, NULL});
}

/* -q: lets deferred messages be tried now, all of them or those that -qI (an id), -qR (recipients)
 * or -qS (a sender) names. How often the queue is run, as in -q30m, is the daemon's to know. Says
 * nothing where nothing is wrong: cron would mail it. */
static int flush_queue(const SendmailOptions *options)
{
    const char *which = options->run_queue;
    const char *words[] = {"retry", "--state", "deferred", NULL, *which ? which + 1 : NULL, NULL};

    if (which[0] >= '0' && which[0] <= '9')
        return EX_OK;
    if (which[0] == 'I') {
        words[1] = "--";
        words[2] = which + 1;
    } else if (which[0] == 'R' || which[0] == 'S')
        words[3] = which[0] == 'R' ? "--to" : "--from";
    if (!freopen("/dev/null", "w", stdout))
        return tool_fail_number(ERROR_FILE, "cannot open /dev/null");
    return become(options, words);
}

/* Those that say nothing here have no value of their own: '@'. */
enum { OPTION_FORMAT = 256, OPTION_HELP, OPTION_VERSION };

/* msmtp's names, which programs are configured with. */
static const struct option long_options[] = {
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"file", required_argument, NULL, 'C'},
    {"from", required_argument, NULL, 'f'},
    {"from-full-name", required_argument, NULL, 'F'},
    {"read-recipients", no_argument, NULL, 't'},
    {"dsn-notify", required_argument, NULL, 'N'},
    {"dsn-return", required_argument, NULL, 'R'},
    {"account", required_argument, NULL, '@'},
    {"read-envelope-from", no_argument, NULL, '@'},
    {"auto-from", optional_argument, NULL, '@'},
    {"timeout", required_argument, NULL, '@'},
    {"debug", no_argument, NULL, '@'},
    {0},
};

static int help(void)
{
    puts("Usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [-N NOTIFY] [-R RET] [-V ENVID] "
         "[RECIPIENT...]\n"
         "       sendmail -bs | -bp | -bv RECIPIENT... | -q\n"
         "       mailq [--format=postfix|sendmail|exim|nullmailer]\n"
         "Queues the message on standard input, or with -bs those that come there by SMTP. Options "
         "of other mail systems that say nothing "
         "here are\ntaken and do nothing; outbox(1) has them all.");
    return tool_finish_output(EX_OK);
}

static int usage(const char *what, const char *why)
{
    return tool_fail_number(ERROR_USAGE, "sendmail %s: %s; see outbox(1)", what, why);
}

/* -b: what to do. -1 to go on, or an exit status. */
static int choose_mode(const char *mode, SendmailOptions *options)
{
    switch (mode[0]) {
    case 'm':
    case 'p':
    case 'v':
    case 's':
    case 'i': options->mode = mode[0]; return -1;
    case 'd':
    case 'D': return usage("-bd", "the daemon is outboxd");
    default:
        return usage("-b", "of the modes there are m (send), s (speak SMTP), p (list the queue), "
                           "v (look at the addresses) and i (look at the file of "
                           "aliases) only");
    }
}

/* One that getopt does not take. */
static int wrong(char **argv, const char *why)
{
    return optopt > 0 && optopt < OPTION_FORMAT ? usage((char[]){'-', (char)optopt, '\0'}, why)
                                                : usage(argv[optind - 1], why);
}

/* Of these Exim has some whose value is the next argument: -oMr smtp. */
static int take_old_option(char **argv, SendmailOptions *options)
{
    options->ignore_dots |= optarg[0] == 'i';
    if ((optarg[0] == 'M' || (optarg[0] && strchr("APX", optarg[0]) && !optarg[1])) && argv[optind])
        optind++;
    return -1;
}

static int take_run(const char *which, SendmailOptions *options)
{
    options->run_queue = which;
    if (*which && strchr("IRS", *which) && !which[1])
        return usage((char[]){'-', 'q', *which, '\0'}, "wants a value, and it is empty");
    return -1;
}

/* Those that say nothing here are taken and left alone: programs give them. -1 to go on, or an exit
 * status. */
static int take_option(int c, char **argv, SendmailOptions *options)
{
    if (c < OPTION_FORMAT && strchr("CNRV", c) && optarg && !*optarg)
        return usage((char[]){'-', (char)c, '\0'}, "wants a value, and it is empty");
    switch (c) {
    case 'C': options->config_path = optarg; return -1;
    case 'f':
    case 'r': options->sender = optarg; return -1;
    case 'F': options->full_name = optarg; return -1;
    case 'N': options->notify = optarg; return -1;
    case 'R': options->ret = optarg; return -1;
    case 'V':
        if (!optarg)
            return tool_finish_output(tool_print_version());
        options->envelope_id = optarg;
        return -1;
    case 'h': return optarg ? -1 : help();
    case 't': options->header_recipients = true; return -1;
    case OPTION_FORMAT: options->format = optarg; return -1;
    case OPTION_HELP: return help();
    case OPTION_VERSION: return tool_finish_output(tool_print_version());
    case 'i': options->ignore_dots = true; return -1;
    case 'o': return take_old_option(argv, options);
    case 'O': options->ignore_dots |= text_starts_nocase(optarg, "IgnoreDots"); return -1;
    case 'b': return choose_mode(optarg, options);
    case 'I': return choose_mode("i", options);
    case 'q': return take_run(optarg ?: "", options);
    case ':': return wrong(argv, "wants a value");
    case '?': return wrong(argv, "there is no such option");
    default: return -1;
    }
}

/* How many recipients were left out, or a negative errno with a Failure. */
static int queue(
    const SendmailOptions *options, const QueueTarget *target, char **recipients, Failure *f)
{
    SendmailInput input = {.ignore_dots = options->ignore_dots};
    _cleanup_buffer_ Buffer start = {0}, message = {0};
    _cleanup_free_
    char *path = NULL;
    int r = message_read_start(sendmail_read, &input, &start, f), n_refused = 0;

    if (r >= 0)
        r = n_refused = sendmail_address(options, recipients, &start, &message, f);
    if (r >= 0)
        r = queue_check(target, &message, !input.ended, f);
    if (r >= 0)
        r = put_message(target, &message, sendmail_read, &input, &path, f);
    return r < 0 ? r : n_refused;
}

static int queue_input(const SendmailOptions *options, char **recipients)
{
    const char *none[] = {NULL};
    const Tool tool = {.config_path = options->config_path, .overrides = none};
    _cleanup_queue_target_ QueueTarget target = {0};
    _cleanup_failure_ Failure f = {0};
    int status = queue_target_open(&tool, NULL, &target), r;

    if (status != 0)
        return status;
    r = queue(options, &target, recipients, &f);
    if (r == -ECANCELED || r > 0)
        return EX_DATAERR;
    return r < 0 ? tool_fail(&f) : EX_OK;
}

/* Where a message is queued, -h has the hops that it has made, and -V its envelope id. */
#define LETTERS ":A:B:C:F:GIL:N:O:R:UX:a:b:cd::e:f:imno:p:q::r:tvx"
static const char letters_to_queue[] = LETTERS "h:V:", letters_to_look[] = LETTERS "hV";

static int run(SendmailOptions *options, int argc, char **argv)
{
    const char *letters = options->mode ? letters_to_look : letters_to_queue;
    int c, status = -1;

    opterr = 0;
    while (status < 0 && (c = getopt_long(argc, argv, letters, long_options, NULL)) >= 0)
        status = take_option(c, argv, options);
    if (status >= 0)
        return status;
    switch (options->mode) {
    case 'p': return list_queue(options);
    case 'v': return sendmail_verify(options, argv + optind);
    case 'i': return local_check_aliases(options->config_path);
    case 's':
        return argv[optind] ? usage("-bs", "recipients are named in the session, and not here")
                            : sendmail_serve(options);
    default: break;
    }
    if (options->run_queue && !options->header_recipients && !argv[optind])
        return flush_queue(options);
    return queue_input(options, argv + optind);
}

int sendmail_main(int argc, char **argv)
{
    return run(&(SendmailOptions){0}, argc, argv);
}

int mailq_main(int argc, char **argv)
{
    return run(&(SendmailOptions){.mode = 'p'}, argc, argv);
}

int newaliases_main(int argc, char **argv)
{
    return run(&(SendmailOptions){.mode = 'i'}, argc, argv);
}
