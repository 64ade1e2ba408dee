/* message: whatever a file holds, reading it takes steps in proportion to its size. What is counted
 * is told in tests/support/steps.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "message/message.h"
#include "message/qualify.h"
#include "message/readdress.h"
#include "steps.h"
#include "unit.h"

#define FULL (MESSAGE_HEADER_MAX - 16)
#define PART (FULL / 4)    /* for what no message of the daemon goes through */
#define TIMES 8            /* so much smaller is what is compared with */
#define TIMES_MAX 10       /* a buffer's size is doubled, which rounds up; the square would be 64 */
#define STEPS_PER_BYTE 600 /* twice what the dearest takes, without the optimiser */

typedef struct Text {
    const char *data;
    size_t n;
} Text;

#define T(literal)                      \
    {                                   \
        literal, sizeof(literal "") - 1 \
    }

/* Appends the unit with this number. */
typedef void (*Maker)(Buffer *out, unsigned number);

/* A file of any size: `start`, one unit after the other, `middle`, `closing` for each unit, `end`.
 */
typedef struct Family {
    const char *name;
    int result; /* of message_open(): what is refused at its beginning would show nothing */
    Text start, unit, end;
    Text middle, closing;
    Maker make; /* instead of `unit` */
} Family;

/* check's assertions cost a system call each, and there are a million units. */
static void must(int r)
{
    if (r < 0)
        ck_abort_msg("no memory for the test");
}

static void append(Buffer *out, Text text)
{
    must(buffer_append(out, text.data, text.n));
}

static void make_distinct(Buffer *out, unsigned number)
{
    must(buffer_appendf(out, "u%u@d,", number));
}

static void make_receiver(Buffer *out, unsigned number)
{
    must(buffer_appendf(out, "X-Receiver: <u%u@d>\n", number));
}

/* Twenty letters, of which the number says which are capitals. */
static void append_cased(Buffer *out, unsigned number)
{
    char word[20];

    for (size_t i = 0; i < sizeof(word); i++)
        word[i] = (char)((number >> i & 1 ? 'A' : 'a') + (int)i);
    must(buffer_append(out, word, sizeof(word)));
}

static void make_cased_local(Buffer *out, unsigned number)
{
    append_cased(out, number);
    must(buffer_append_string(out, "@d,"));
}

static void make_cased_domain(Buffer *out, unsigned number)
{
    must(buffer_append_string(out, "c@"));
    append_cased(out, number);
    must(buffer_append_string(out, ","));
}

/* Local parts of seven letters whose FNV-1a ends in the same CRAFTED_BITS bits, so that without a
 * key, they would stand in one chain of any table up to that size. */
#define CRAFTED_BITS 18
#define CRAFTED_MAX 120000
#define N_TAILS (32 * 32 * 32)
static char crafted[CRAFTED_MAX][7];
static unsigned n_crafted;

static unsigned fnv(unsigned h, char c)
{
    return (h ^ (unsigned char)c) * 16777619u & ((1u << CRAFTED_BITS) - 1);
}

static char letter(unsigned i)
{
    return "abcdefghijklmnopqrstuvwxyz012345"[i & 31];
}

/* The hash that three letters lead to 0: what FNV-1a does to the lowest bits can be undone. */
static unsigned before_tail(unsigned tail)
{
    unsigned inverse = 1, h = 0;

    for (int i = 0; i < 5; i++)
        inverse *= 2 - 16777619u * inverse;
    for (int i = 0; i < 15; i += 5)
        h = (h * inverse ^ (unsigned char)letter(tail >> i)) & ((1u << CRAFTED_BITS) - 1);
    return h;
}

/* Meets in the middle: heads of four letters forwards, tails of three backwards. */
static void craft(void)
{
    static unsigned first[1 << CRAFTED_BITS], next[N_TAILS + 1];

    for (unsigned tail = 0; tail < N_TAILS; tail++) {
        unsigned h = before_tail(tail);

        next[tail + 1] = first[h];
        first[h] = tail + 1;
    }
    for (unsigned head = 0; n_crafted < CRAFTED_MAX; head++) {
        unsigned h = 2166136261u;

        for (int i = 0; i < 20; i += 5)
            h = fnv(h, letter(head >> i));
        for (unsigned i = first[h]; i && n_crafted < CRAFTED_MAX; i = next[i]) {
            unsigned tail = i - 1;
            char *to = crafted[n_crafted++];

            for (int k = 0; k < 4; k++)
                to[k] = letter(head >> (5 * k));
            for (int k = 0; k < 3; k++)
                to[4 + k] = letter(tail >> (5 * (2 - k)));
        }
    }
}

static void make_crafted(Buffer *out, unsigned number)
{
    if (n_crafted == 0)
        craft();
    must(buffer_appendf(out, "%.7s@d,", crafted[number % CRAFTED_MAX]));
}

#define TO T("From: a@b\nTo: ")
#define BODY T("\n\nx\n")
#define REST T("From: a@b\nTo: c@d\n\nx\n")

static const Family families[] = {
    {"open encoded words", 0, TO, T("=?\"a\""), T("<c@d>\n\nx\n")},
    {"encoded words without an end", 0, TO, T("=?a?q?\"b\""), T("<c@d>\n\nx\n")},
    {"encoded words that end in a blank", 0, TO, T("=?a?q?b "), T("<c@d>\n\nx\n")},
    {"encoded words", 0, TO, T("=?a?q?b,(c?= "), T("<c@d>\n\nx\n")},
    {"an encoded word without an end", 0, TO, T("=?"), T("<c@d>\n\nx\n")},
    {"a long encoded word", 0, T("From: a@b\nTo: =?a?q?"), T("b,("), T("?= <c@d>\n\nx\n")},
    {"question marks", 0, TO, T("=?\"?\""), T("<c@d>\n\nx\n")},
    {"open comments", -EBADMSG, TO, T("("), BODY},
    {"nested comments", 0, TO, T("("), T(" c@d\n\nx\n"), .closing = T(")")},
    {"comments", 0, TO, T("(a)"), T("c@d\n\nx\n")},
    {"comments in a domain", -EBADMSG, T("From: a@b\nTo: a@"), T("(x)b."), BODY},
    {"quoted pairs in a comment", -EBADMSG, T("From: a@b\nTo: ("), T("\\("), BODY},
    {"quoted strings", 0, TO, T("\"a\""), T("<c@d>\n\nx\n")},
    {"an open quoted string", -EBADMSG, T("From: a@b\nTo: \""), T("a"), BODY},
    {"quoted pairs", -EBADMSG, T("From: a@b\nTo: \""), T("\\\\"), BODY},
    {"a long quoted string", 0, T("From: a@b\nTo: \""), T("a\\\""), T("\"<c@d>\n\nx\n")},
    {"angle brackets", -EBADMSG, TO, T("<"), BODY},
    {"address literals", -EBADMSG, T("From: a@b\nTo: a@"), T("["), BODY},
    {"blanks in an address literal", -EBADMSG, T("From: a@b\nTo: a@["), T(" "), BODY},
    {"commas", 0, TO, T(","), T("c@d\n\nx\n")},
    {"colons and semicolons", -EBADMSG, T("From: a@b\nTo: c@d,"), T(":;"), BODY},
    {"empty groups", 0, TO, T("g:;,"), T("c@d\n\nx\n")},
    {"a group", 0, T("From: a@b\nTo: g:"), T("c@d,"), T(";\n\nx\n")},
    {"groups in groups", -EBADMSG, TO, T("g:"), BODY},
    {"a long local part", -EBADMSG, TO, T("a"), T("@d\n\nx\n")},
    {"a local part of atoms", -EBADMSG, TO, T("a."), T("a@d\n\nx\n")},
    {"dots", -EBADMSG, TO, T("."), BODY},
    {"words", 0, TO, T("a "), T("<c@d>\n\nx\n")},
    {"a long domain", -EBADMSG, T("From: a@b\nTo: a@"), T("b"), BODY},
    {"labels", -EBADMSG, T("From: a@b\nTo: a@"), T("b."), BODY},
    {"blanks in a domain", 0, T("From: a@b\nTo: a@"), T(" "), T("d\n\nx\n")},
    {"a route", 0, T("From: a@b\nTo: <"), T("@a,"), T(":c@d>\n\nx\n")},
    {"an open route", -EBADMSG, T("From: a@b\nTo: <"), T("@a,"), BODY},
    {"a route through nothing", 0, T("From: a@b\nTo: <@a"), T(","), T(":c@d>\n\nx\n")},
    {"routes", 0, TO, T("<@a,@b:c@d>,"), BODY},
    {"folds", 0, TO, T("\n "), T("c@d\n\nx\n")},
    {"folds with carriage returns", 0, T("From: a@b\r\nTo: "), T("\r\n "), T("c@d\r\n\r\nx\r\n")},
    {"an address twice", 0, TO, T("c@d <c@d>,"), BODY},
    {"one address", 0, TO, T("c@d,"), BODY},
    {"distinct addresses", 0, TO, T(""), BODY, .make = make_distinct},
    {"addresses for one chain", 0, TO, T(""), BODY, .make = make_crafted},
    {"local parts in all cases", 0, TO, T(""), BODY, .make = make_cased_local},
    {"domains in all cases", 0, TO, T(""), BODY, .make = make_cased_domain},
    {"UTF-8", 0, TO, T("\xc3\xbc@d,"), BODY},
    {"a name that is not UTF-8", 0, TO, T("\xff "), T("<c@d>\n\nx\n")},
    {"an address that is not UTF-8", -EBADMSG, TO, T("\xff"), T("@d\n\nx\n")},
    {"senders", 0, T("From: "), T("a@b,"), T("\nTo: c@d\n\nx\n")},
    {"fields of one byte", 0, T(""), T("a:\n"), REST},
    {"fields To", 0, T(""), T("To:c@d\n"), REST},
    {"empty Bcc fields", 0, T(""), T("Bcc:\n"), REST},
    {"Bcc fields", 0, T(""), T("Bcc:e@f\n"), REST},
    {"Bcc fields between others", 0, T(""), T("Bcc:\na:\n"), REST},
    {"Return-Path fields", 0, T(""), T("Return-Path:a@b\n"), REST},
    {"Resent blocks", 0, T("Resent-From:a@b\n"), T("Resent-To:c@d\n"), REST},
    {"a long Resent block", 0, T("Resent-From:a@b\nResent-To:c@d\n"), T("Resent-X:\n"), REST},
    {"Resent blocks between others", 0, T("Resent-From:a@b\nResent-To:c@d\n"),
        T("a:\nResent-Bcc:\n"), REST},
    {"one X-Receiver", 0, T(""), T("X-Receiver:c@d\n"), REST},
    {"distinct X-Receiver", 0, T(""), T(""), REST, .make = make_receiver},
    {"names in X-Receiver", 0, T("X-Receiver: "), T("=?\"a\""), T("<c@d>\nFrom: a@b\n\nx\n")},
    {"parameters", 0, T("X-Receiver: c@d"), T(" X-NEVER=NEVER"), T("\nFrom: a@b\n\nx\n")},
    {"a parameter twice", -EBADMSG, T("X-Receiver: c@d"), T(" NOTIFY=NEVER"), REST},
    {"words in NOTIFY", 0, T("X-Receiver: c@d NOTIFY=DELAY"), T(",DELAY"), T("\nFrom: a@b\n\nx\n")},
    {"a long ORCPT", -EBADMSG, T("X-Receiver: c@d ORCPT=rfc822;"), T("+2B"),
        T("\nFrom: a@b\n\nx\n")},
    {"parameters with blanks", 0, T("X-Receiver: c@d"), T(" A  \n "), T("\nFrom: a@b\n\nx\n")},
    {"a long parameter", 0, T("X-Receiver: c@d A="), T("b"), T("\nFrom: a@b\n\nx\n")},
    {"a parameter of UTF-8", 0, T("X-Receiver: c@d A="), T("\xc3\xbc"), T("\nFrom: a@b\n\nx\n")},
    {"semicolons", 0, T("X-Receiver: c@d ;"), T(";"), T("\nFrom: a@b\n\nx\n")},
    {"semicolons with blanks", 0, T("X-Receiver: c@d"), T(" ;"), T("\nFrom: a@b\n\nx\n")},
    {"Exchange's fields", 0, T("X-Receiver: c@d\n"), T("X-Source:\n"), REST},
    {"fields of ours", 0, T("X-Receiver: c@d\n"), T("X-Outbox-A:\n"), REST},
    {"lines of mbox", 0, T(""), T("From a@b\n"), REST},
    {"quoted lines of mbox", 0, T(""), T(">>>From a@b\n"), REST},
    {"a long line of mbox quotes", -EBADMSG, T(""), T(">"), REST},
    {"empty lines", 0, T(""), T("\n"), REST},
    {"empty lines and lines of mbox", 0, T(""), T("\r\nFrom a\r\n"), REST},
    {"empty lines behind an envelope", 0, T("X-Sender: a@b\nX-Receiver: c@d\n"), T("\n"), REST},
    {"empty lines before fields", 0, T("\n"), T("a:\n"), REST},
    {"empty lines before what is no header", -EBADMSG, T("\n"), T("a:\n"), T("x\n\n")},
    {"fields behind an envelope's empty line", 0, T("X-Sender: a@b\nX-Receiver: c@d\n\n"),
        T("a:\n"), T("x\n\n")},
    {"fields with blanks before the colon", 0, T(""), T("a :\n"), REST},
    {"Return-Path and Content-Length", 0, T(""), T("Return-Path :a@b\nContent-Length:1\n"), REST},
    {"names with an @", 0, T("To: c@d\nFrom: "), T("a@b@ <e@f>,"), BODY},
    {"names around an address", 0, T("To: c@d\nFrom: a"), T("@ <e@f> x, "), BODY},
    {"names of parts that are left open", -EBADMSG, T("To: c@d\nFrom: "), T("a@ <e@f> (\"x, "),
        BODY},
    {"names with commas", 0, T("To: c@d\nFrom: "), T("a, "), T("b <e@f>\n\nx\n")},
    {"commas and no name", -EBADMSG, T("To: c@d\nFrom: "), T("a, "), BODY},
    {"commas before an address", -EBADMSG, T("To: c@d\nFrom: "), T("a, "), T("a@b\n\nx\n")},
    {"commas and quotes", -EBADMSG, T("To: c@d\nFrom: "), T("a, \""), BODY},
    {"commas and comments", -EBADMSG, T("To: c@d\nFrom: "), T("a, ("), BODY},
    {"names and addresses", -EBADMSG, T("To: c@d\nFrom: "), T("a, c@d,"), BODY},
    {"names with brackets", 0, TO, T("[]\\"), T("<c@d>\n\nx\n")},
    {"a name around an address", -EBADMSG, T("To: c@d\nFrom: <a@b> "), T("x "), T("<\n\n")},
    {"a long name around an address", 0, T("To: c@d\nFrom: <a@b> "), T("=?\"x\" "), BODY},
    {"semicolons between addresses", 0, TO, T("c@d;"), BODY},
    {"routes without <>", 0, TO, T("@a,@b:c@d,"), BODY},
    {"a route without <>", -EBADMSG, T("From: a@b\nTo: "), T("@a,"), BODY},
    {"dots in a local part", -EBADMSG, T("From: a@b\nTo: a"), T("."), T("@d\n\nx\n")},
    {"a long line of mbox", 0, T("From "), T("a"), T("\nFrom: a@b\nTo: c@d\n\nx\n")},
    {"a long name", 0, T(""), T("a"), T(":\nFrom: a@b\nTo: c@d\n\nx\n")},
    {"a name without a colon", -EBADMSG, T(""), T("a"), T("\nFrom: a@b\nTo: c@d\n\nx\n")},
    {"blanks before a colon", 0, T("A"), T(" "), T(":\nFrom: a@b\nTo: c@d\n\nx\n")},
    {"a long line", 0, T("A:"), T("b "), T("\nFrom: a@b\nTo: c@d\n\nx\n")},
    {"carriage returns", -EBADMSG, T("A:"), T("\r"), T("\nFrom: a@b\nTo: c@d\n\nx\n")},
    {"NUL bytes", -EBADMSG, T("A:"), T("\0"), T("\nFrom: a@b\nTo: c@d\n\nx\n")},
    {"NUL bytes in a list", -EBADMSG, TO, T("\0,"), BODY},
    {"a body", 0, T("From: a@b\nTo: c@d\n\n"), T("x\n"), T("")},
};

static void make(const Family *family, size_t size, Buffer *out)
{
    size_t fixed = family->start.n + family->middle.n + family->end.n;
    unsigned units = 0;

    append(out, family->start);
    for (;;) {
        size_t n = buffer_size(out);

        if (family->make)
            family->make(out, units);
        else
            append(out, family->unit);
        if (fixed + buffer_size(out) - family->start.n + (units + 1) * family->closing.n > size) {
            buffer_truncate(out, n);
            break;
        }
        units++;
    }
    append(out, family->middle);
    for (; family->closing.n > 0 && units > 0; units--)
        append(out, family->closing);
    append(out, family->end);
}

/* The three that are measured, each as it is used. */

static void read_message(const Family *family, const Buffer *text)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer content = {0};
    _cleanup_failure_ Failure f = {0};
    InputMemory input;
    int r;

    input_memory_init(&input, buffer_data(text), buffer_size(text));
    r = message_open(&input.base, 1, "id", &message, &f);
    ck_assert_msg(r == family->result, "%s: %s", family->name, r < 0 ? failure_text(&f) : "read");
    while (message && message_read(message, 4096, &content) > 0)
        buffer_clear(&content);
}

static void qualify(const Family *family _unused_, const Buffer *text)
{
    _cleanup_buffer_ Buffer out = {0};

    ck_assert_int_eq(message_qualify(buffer_data(text), buffer_size(text), "here", &out), 0);
}

static void readdress(const Family *family _unused_, const Buffer *text)
{
    char sender[] = "e@f";
    const Envelope asked = {.sender = sender};
    _cleanup_buffer_ Buffer out = {0};

    (void)message_readdress(buffer_data(text), buffer_size(text), &asked, NULL, &out);
}

typedef void (*Call)(const Family *family, const Buffer *text);

static uint64_t measure(const Family *family, size_t size, Call call)
{
    _cleanup_buffer_ Buffer text = {0};
    uint64_t steps;

    make(family, size, &text);
    steps_start();
    call(family, &text);
    steps = steps_stop();
    ck_assert_msg(steps <= buffer_size(&text) * STEPS_PER_BYTE, "%s: %llu steps for %zu bytes",
        family->name, (unsigned long long)steps, buffer_size(&text));
    return steps;
}

static void compare(const Family *family, size_t size, Call call)
{
    uint64_t less = measure(family, size / TIMES, call), more = measure(family, size, call);

    if (getenv("STEPS"))
        printf("%-40s %6.1f a byte, %.2f times as many\n", family->name,
            (double)more / (double)size, (double)more / (double)less);
    ck_assert_msg((double)more <= (double)less * TIMES_MAX,
        "%s: %llu steps, and for %u times the size %llu", family->name, (unsigned long long)less,
        TIMES, (unsigned long long)more);
}

START_TEST(reading_is_linear)
{
    compare(&families[_i], FULL, read_message);
}
END_TEST

START_TEST(qualifying_is_linear)
{
    compare(&families[_i], PART, qualify);
}
END_TEST

START_TEST(readdressing_is_linear)
{
    compare(&families[_i], PART, readdress);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("message/linear");
    TCase *tcase = tcase_create("linear");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, reading_is_linear, 0, (int)ELEMENTSOF(families));
    tcase_add_loop_test(tcase, qualifying_is_linear, 0, (int)ELEMENTSOF(families));
    tcase_add_loop_test(tcase, readdressing_is_linear, 0, (int)ELEMENTSOF(families));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
