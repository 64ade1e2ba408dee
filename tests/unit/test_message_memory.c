/* message: memory that cannot be had is told, and never taken for an answer, at every place where a
 * call asks for some, once each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message/aliases.h"
#include "message/mend.h"
#include "message/message.h"
#include "message/qualify.h"
#include "message/readdress.h"
#include "message/rewrite.h"
#include "short_memory.h"
#include "unit.h"

static const char file[] =
    "root: ann, b@x.test\nann: A@x.test\nlist: :include:/list, bob\n"
    "bob: c@x.test, bob@vm\nm\xc3\xbcller: d@x.test\n\"odd name\": e@x.test\n"
    "*: rest@x.test\n";
static const char *const own[] = {"localhost", "vm", NULL};

static int load_list(
    _unused_ void *user, _unused_ const char *path, Buffer *out, _unused_ Failure *f)
{
    return buffer_append_string(out, "f@x.test, ann\n");
}

static int append_recipients(const Envelope *e, Buffer *out)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < e->n_recipients; i++)
        r = buffer_appendf(
            out, "%s %s\n", e->recipients[i].address, e->recipients[i].parameters ?: "");
    return r;
}

/* A failure adds nobody. */
static int add(const char *address, const char *parameters, Buffer *out)
{
    _cleanup_(aliases_free_p) Aliases *aliases = NULL;
    _cleanup_envelope_ Envelope e = {0};
    _cleanup_failure_ Failure f = {0};
    int r = aliases_parse(file, sizeof(file) - 1, &aliases);
    const LocalNames names = {.aliases = aliases,
        .path = "aliases",
        .root = "g@x.test, ann",
        .domain = "vm.test",
        .here = "here.test",
        .own = own,
        .include = load_list};

    if (r >= 0)
        r = local_names_add(&names, &e, address, parameters, &f);
    if (r < 0)
        ck_assert_uint_eq(e.n_recipients, 0);
    return r < 0 ? r : append_recipients(&e, out);
}

static int add_rooted(Buffer *out)
{
    return add("ROOT", "NOTIFY=NEVER", out);
}

static int add_postmaster(Buffer *out)
{
    return add("postmaster@vm", NULL, out);
}

static int add_listed(Buffer *out)
{
    return add("list", NULL, out);
}

static int add_capital(Buffer *out)
{
    return add("M\xc3\x9cLLER@localhost", NULL, out);
}

static int add_another(Buffer *out)
{
    return add("nobody-else", NULL, out);
}

static int add_stranger(Buffer *out)
{
    return add("ann@elsewhere.test", NULL, out);
}

/* That there is no memory to say it with is an answer as well. */
static int append_failure(const Failure *f, Buffer *out)
{
    return f->text ? buffer_append_string(out, f->text) : -ENOMEM;
}

static int check_aliases(Buffer *out)
{
    static const char wrong[] = "a: |x\nb: c, /d\nb: e@x.test\nnothing\n\xc3\xb6: \xc3\x96\n";
    _cleanup_(aliases_free_p) Aliases *aliases = NULL;
    _cleanup_failure_ Failure f = {0};
    int r = aliases_parse(wrong, sizeof(wrong) - 1, &aliases);
    const LocalNames names = {
        .aliases = aliases, .path = "aliases", .here = "here.test", .own = own};

    if (r >= 0)
        r = aliases_check(aliases, &f);
    if (r == -EBADMSG)
        r = append_failure(&f, out);
    failure_done(&f);
    if (r >= 0)
        r = local_names_check(&names, &f);
    return r == -EINVAL ? append_failure(&f, out) : r;
}

static const char letter[] = "From: Ann <ann@vm>, "
                             "b\xc3\xb6"
                             "b@m\xc3\xbcnchen.test (b)\nSender: root\n"
                             "To: Shop, Inc. <s@x.test>, \"A, B\" <b>, nobody at all\n"
                             "Cc: g: c@x.test, d;\nResent-From: e\nX-Y : z\nSubject: s\n\ntext\n";

static int replace(_unused_ void *user, const char *address, char **ret)
{
    *ret = strchr(address, 'a') ? strdup("new@x.test") : NULL;
    return strchr(address, 'a') && !*ret ? -ENOMEM : 0;
}

static int rewrite(Buffer *out)
{
    return message_rewrite(letter, sizeof(letter) - 1, replace, NULL, out);
}

static int qualify(Buffer *out)
{
    return message_qualify(letter, sizeof(letter) - 1, "here.test", out);
}

static int mend(Buffer *out)
{
    return message_mend(letter, sizeof(letter) - 1, out);
}

static int mend_addresses(Buffer *out)
{
    const MendPeople people = {"root@here.test", "ann@here.test"};

    return message_mend_addresses(letter, sizeof(letter) - 1, &people, out);
}

static int readdress(Buffer *out)
{
    _cleanup_envelope_ Envelope e = {0};
    int r = envelope_add_recipient(&e, "z@m\xc3\xbcnchen.test", "NOTIFY=NEVER", NULL);

    if (r >= 0)
        r = envelope_set_sender(&e, "y@x.test", "RET=HDRS", NULL);
    return r < 0 ? r : message_readdress(letter, sizeof(letter) - 1, &e, NULL, out);
}

static int read_envelope(Buffer *out)
{
    static const char text[] =
        "X-Sender: <a@x.test> RET=HDRS\nX-Receiver: \"B\" <b@m\xc3\xbcnchen.test>\n"
        "X-Receiver: c@x.test NOTIFY=NEVER\nX-Outbox-Lane: Bulk\nSubject: s\n\n.\n";
    _cleanup_failure_ Failure f = {0};
    InputMemory input;
    Message *message = NULL;
    int r;

    input_memory_init(&input, text, sizeof(text) - 1);
    r = message_open(&input.base, 0, "x", &message, &f);
    if (r >= 0)
        r = append_recipients(message_envelope(message), out);
    message_free(message);
    return r;
}

typedef int (*Call)(Buffer *out);

static const Call calls[] = {add_rooted, add_postmaster, add_listed, add_capital, add_another,
    add_stranger, check_aliases, rewrite, qualify, mend, mend_addresses, readdress, read_envelope};

START_TEST(no_answer_is_made_of_memory_that_is_short)
{
    Buffer expected = {0}, out = {0};
    int r;

    ck_assert_int_eq(calls[_i](&expected), 0);
    ck_assert_uint_gt(buffer_size(&expected), 0);
    for (unsigned k = 0;; k++) {
        n_allocations = 0;
        allocation_to_fail = k;
        r = COUNTED(calls[_i](&out));
        ck_assert_msg(r == 0 || r == -ENOMEM, "allocation %u: %d", k, r);
        if (r == 0)
            ck_assert_msg(
                buffer_size(&out) == buffer_size(&expected) &&
                    memcmp(buffer_data(&out), buffer_data(&expected), buffer_size(&out)) == 0,
                "allocation %u: %.*s", k, (int)buffer_size(&out), buffer_data(&out));
        buffer_done(&out);
        if (n_allocations <= k)
            break;
    }
    buffer_done(&expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message: memory");
    TCase *t = tcase_create("memory");

    tcase_add_loop_test(t, no_answer_is_made_of_memory_that_is_short, 0, (int)ELEMENTSOF(calls));
    suite_add_tcase(suite, t);
    return unit_run(suite);
}
