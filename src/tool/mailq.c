/* outbox mailq: the queue as other mail systems' mailq shows it, for programs that read that. Must
 * never say that a queue is empty which it could not read. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "tool/command.h"
#include "tool/store.h"
#include "tool/terminal.h"
#include "tool/wrap.h"

#define TEXT_MAX 1000 /* bytes that are shown of an address, or of a reason */

typedef struct Format Format;

typedef struct Mailq {
    const Format *format;
    const char *directory;
    usec_t now;
    Inspections messages;
    uint64_t bytes;
} Mailq;

struct Format {
    const char *name;
    void (*begin)(const Mailq *q); /* NULL: nothing */
    void (*message)(const Mailq *q, const Inspection *message);
    void (*end)(const Mailq *q); /* NULL: nothing */
};

/* ---- what they have in common ---- */

static void print_address(const char *address)
{
    (void)terminal_print(stdout, address, TEXT_MAX);
}

/* As `list` shows it, and as one word: readers take a line apart at its blanks, and an id may not
 * look like a line of another kind. Returns the characters printed. */
static int print_id(const char *id)
{
    size_t n = 0;

    for (const char *end; *id; id = end) {
        end = id + strcspn(id, " ");
        n += terminal_print_bytes(stdout, id, (size_t)(end - id), SIZE_MAX);
        if (*end != ' ')
            continue;
        n += (size_t)printf("\\x20");
        end++;
    }
    return (int)n;
}

static const char *sender_of(const Inspection *i)
{
    return !i->sender ? "unknown" : *i->sender ? i->sender : "MAILER-DAEMON";
}

#define TIME_MAX 64

static struct tm local_time(usec_t arrival)
{
    const time_t seconds = (time_t)(arrival / USEC_PER_SEC);
    struct tm tm;

    (void)localtime_r(&seconds, &tm);
    return tm;
}

static void print_recipients(const Inspection *i, const char *before)
{
    for (size_t n = 0; n < i->n_recipients; n++) {
        fputs(before, stdout);
        print_address(i->recipients[n]);
        putchar('\n');
    }
}

/* ---- Postfix (mailq(1), showq(8)) ---- */

static void postfix_begin(const Mailq *q)
{
    if (q->messages.n > 0)
        puts("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------");
}

/* "*" behind what is being sent, "!" behind what is on hold, as Postfix has them. */
static void postfix_message(const Mailq *q _unused_, const Inspection *i)
{
    const struct tm tm = local_time(i->arrival);
    char arrival[TIME_MAX];
    const char *mark = i->state == SPOOL_SENDING                            ? "*"
                       : i->state == SPOOL_HELD || i->state == SPOOL_FAILED ? "!"
                                                                            : " ";
    int width = print_id(i->id) + printf("%s", mark);

    printf("%*s %8" PRIu64 " ", width < 11 ? 11 - width : 0, "", i->size);
    (void)strftime(arrival, sizeof(arrival), "%a %b %e %H:%M:%S", &tm);
    fputs(arrival, stdout);
    fputs("  ", stdout);
    print_address(sender_of(i));
    putchar('\n');
    if (i->text) {
        putchar('(');
        (void)terminal_print(stdout, i->text, TEXT_MAX);
        puts(")");
    }
    print_recipients(i, "                                         ");
    putchar('\n');
}

static void postfix_end(const Mailq *q)
{
    if (q->messages.n == 0)
        puts("Mail queue is empty");
    else
        printf("-- %" PRIu64 " Kbytes in %zu Request%s.\n", (q->bytes + 1023) / 1024, q->messages.n,
            q->messages.n == 1 ? "" : "s");
}

/* ---- sendmail (mailq(1) of version 8) ---- */

static void sendmail_begin(const Mailq *q)
{
    if (q->messages.n == 0) {
        (void)terminal_print(stdout, q->directory, TEXT_MAX);
        puts("/mqueue is empty");
        return;
    }
    fputs("\t\t", stdout);
    (void)terminal_print(stdout, q->directory, TEXT_MAX);
    printf("/mqueue (%zu request%s)\n", q->messages.n, q->messages.n == 1 ? "" : "s");
    puts("-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------");
}

static void sendmail_message(const Mailq *q _unused_, const Inspection *i)
{
    const struct tm tm = local_time(i->arrival);
    char arrival[TIME_MAX];
    int width = print_id(i->id);

    printf("%*s%s%8" PRIu64 " ", width < 14 ? 14 - width : 0, "",
        i->state == SPOOL_SENDING ? "*" : " ", i->size);
    (void)strftime(arrival, sizeof(arrival), "%a %b %e %H:%M", &tm);
    fputs(arrival, stdout);
    fputs(" <", stdout);
    print_address(i->sender ?: "unknown");
    puts(">");
    if (i->text) {
        fputs("                 (Deferred: ", stdout);
        (void)terminal_print(stdout, i->text, TEXT_MAX);
        puts(")");
    }
    for (size_t n = 0; n < i->n_recipients; n++) {
        fputs("\t\t\t\t\t <", stdout);
        print_address(i->recipients[n]);
        puts(">");
    }
}

static void sendmail_end(const Mailq *q)
{
    printf("\t\tTotal requests: %zu\n", q->messages.n);
}

/* ---- Exim (exim -bp) ---- */

/* Its ids have a form that its readers know a message by: 6, 6 and 2 letters or digits. */
static void print_exim_id(const char *id)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    char text[] = "xxxxxx-xxxxxx-xx";

    for (const char *c = id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    for (size_t i = 0; i < strlen(text); i++) {
        if (text[i] == '-')
            continue;
        text[i] = digits[hash % strlen(digits)];
        hash = hash / strlen(digits) + (hash % strlen(digits)) * 0x9e3779b97f4a7c15u;
    }
    fputs(text, stdout);
}

static void print_age(usec_t age)
{
    const uint64_t minutes = age / USEC_PER_SEC / 60, hours = minutes / 60;

    if (minutes <= 90)
        printf("%2" PRIu64 "m", minutes);
    else if (hours <= 72)
        printf("%2" PRIu64 "h", hours);
    else
        printf("%2" PRIu64 "d", hours / 24);
}

static void print_exim_size(uint64_t bytes)
{
    if (bytes < 1024)
        printf("%5" PRIu64, bytes);
    else if (bytes < 10 * 1024)
        printf("%4.1fK", (double)bytes / 1024);
    else if (bytes < 1024 * 1024)
        printf("%4" PRIu64 "K", bytes / 1024);
    else
        printf("%4" PRIu64 "M", bytes / 1024 / 1024);
}

static void exim_message(const Mailq *q, const Inspection *i)
{
    print_age(clock_age(i->arrival, q->now));
    putchar(' ');
    print_exim_size(i->size);
    putchar(' ');
    print_exim_id(i->id);
    fputs(" <", stdout);
    print_address(i->sender ?: "unknown");
    puts(i->state == SPOOL_HELD || i->state == SPOOL_FAILED ? "> *** frozen ***" : ">");
    print_recipients(i, "          ");
    putchar('\n');
}

/* ---- nullmailer (mailq(1)) ---- */

static void nullmailer_message(const Mailq *q _unused_, const Inspection *i)
{
    const struct tm tm = local_time(i->arrival);
    char arrival[TIME_MAX];
    (void)strftime(arrival, sizeof(arrival), "%Y-%m-%d %H:%M:%S", &tm);
    fputs(arrival, stdout);
    printf(" %" PRIu64 " bytes from <", i->size);
    print_address(i->sender ?: "unknown");
    puts(">");
    print_recipients(i, "  to ");
}

static const Format formats[] = {
    {"postfix", postfix_begin, postfix_message, postfix_end},
    {"sendmail", sendmail_begin, sendmail_message, sendmail_end},
    {"exim", NULL, exim_message, NULL},
    {"nullmailer", NULL, nullmailer_message, NULL},
};

/* ---- going through the queue ---- */

static int take(void *user, Inspection *i, Failure *f)
{
    Mailq *q = user;

    q->bytes += i->size;
    return inspections_take(&q->messages, i) < 0
               ? failure_set_errno(f, -ENOMEM, "cannot list %s", q->directory)
               : 0;
}

static bool is_undelivered(SpoolState state)
{
    return state != SPOOL_SENT;
}

static int take_all(Mailq *q, Store *store, Failure *f)
{
    const StoreQuery query = {.applies = is_undelivered, .order = STORE_BY_AGE};

    return store->ops->look(store, &query, take, q, f);
}

static void mailq_done(Mailq *q)
{
    inspections_done(&q->messages);
}

static int show(Store *store, const Format *format)
{
    _cleanup_(mailq_done)
        Mailq q = {.format = format, .directory = store->name, .now = clock_realtime()};
    _cleanup_failure_ Failure f = {0};
    int r = take_all(&q, store, &f);

    if (r < 0)
        return tool_fail(&f);
    if (format->begin)
        format->begin(&q);
    for (size_t n = 0; n < q.messages.n; n++)
        format->message(&q, &q.messages.all[n]);
    if (format->end)
        format->end(&q);
    return EX_OK;
}

static int find_format(const Command *command, const char *name, const Format **ret)
{
    for (size_t i = 0; i < ELEMENTSOF(formats); i++)
        if (strcmp(name, formats[i].name) == 0) {
            *ret = &formats[i];
            return 0;
        }
    return tool_usage(
        command, "--format %s: it can be postfix, sendmail, exim or nullmailer", name);
}

int run_mailq(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(store_free_p) Store *store = NULL;
    const Format *format = &formats[0];
    const char *directory = NULL;
    int c, status = 0;

    while (status == 0 && (c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'f': status = find_format(command, optarg, &format); break;
        default: return EX_USAGE;
        }
    if (status == 0 && argv[optind])
        status = tool_usage(command, "it takes no arguments");
    if (status == 0)
        status = store_open_to_read(tool, directory, &store);
    wrap_as_is(stdout);
    return status != 0 ? status : show(store, format);
}
