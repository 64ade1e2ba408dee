/* proxy/: memory that is short at any place is told, and nothing else comes of it. The linker sends
 * the allocations through the functions below. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "played_gssapi.h"
#include "proxy/dialogue.h"
#include "unit.h"

/* Only what the dialogue allocates is counted and made to fail: Check uses memory as well. */
static bool in_dialogue;
static size_t n_allocations;
static size_t allocation_to_fail = SIZE_MAX; /* counted from 0 */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

static bool fails(void)
{
    return in_dialogue && n_allocations++ == allocation_to_fail;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

/* The value of a call of the dialogue. */
#define DIALOGUE(call)           \
    ({                           \
        __typeof__(call) _value; \
                                 \
        in_dialogue = true;      \
        _value = call;           \
        in_dialogue = false;     \
        _value;                  \
    })

typedef struct Case {
    ProxyKind kind;
    const char *answers[4]; /* one to each of our words; NULL: no more */
    size_t sizes[4];
    int result;
    size_t least; /* allocations */
    ProxyLogin login;
} Case;

#define N(literal) (sizeof(literal) - 1)
#define WANTS_DIGEST                                                                          \
    "HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: Basic, Digest realm=\"x\", " \
    "nonce=y, opaque=z, algorithm=SHA-256, qop=auth\r\n\r\n"
#define WANTS_BASIC "HTTP/1.0 407 No\r\nProxy-Authenticate: Basic\r\n\r\n"
#define WANTS_NTLM "HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: NTLM\r\n\r\n"
#define CHALLENGES                                                                       \
    "HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: NTLM "                  \
    "TlRMTVNTUAACAAAADAAMADgAAAAzgoriASNFZ4mrze8AAAAAAAAAACQAJABEAAAABgBwFwAAAA9TAGUAcg" \
    "B2AGUAcgACAAwARABvAG0AYQBpAG4AAQAMAFMAZQByAHYAZQByAAAAAAA=\r\n\r\n"
#define WANTS_TICKET "HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: Negotiate\r\n\r\n"
#define STANDS "HTTP/1.1 200 OK\r\n\r\n"
#define REFUSED "HTTP/1.1 403 No\r\n\r\n"
#define GRANTED "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"

static const Case cases[] = {
    {PROXY_TUNNEL, {WANTS_DIGEST, STANDS}, {N(WANTS_DIGEST), N(STANDS)}, PROXY_STANDS, 10},
    {PROXY_TUNNEL, {WANTS_BASIC, STANDS}, {N(WANTS_BASIC), N(STANDS)}, PROXY_STANDS, 6},
    {PROXY_TUNNEL, {REFUSED}, {N(REFUSED)}, -ECONNREFUSED, 4},
    {PROXY_SOCKS5, {"\x05\x02", "\x01\x00", GRANTED}, {2, 2, N(GRANTED)}, PROXY_STANDS, 2},
    {PROXY_SOCKS5, {"\x05\xff"}, {2}, -EACCES, 2},
    {PROXY_SOCKS5, {"HTTP"}, {4}, -EPROTO, 3},
    {PROXY_TUNNEL, {WANTS_NTLM, CHALLENGES, STANDS}, {N(WANTS_NTLM), N(CHALLENGES), N(STANDS)},
        PROXY_STANDS, 20},
    {PROXY_TUNNEL, {WANTS_TICKET, STANDS}, {N(WANTS_TICKET), N(STANDS)}, PROXY_STANDS, 6,
        PROXY_LOGIN_GSSAPI},
    {PROXY_SOCKS5,
        {"\x05\x01",
            "\x01\x01\0\x03"
            "end",
            "\x01\x02\0\x02~\x02", "\x01\x03\0\x0b#" GRANTED},
        {2, 7, 6, 5 + N(GRANTED)}, PROXY_STANDS, 6, PROXY_LOGIN_GSSAPI},
};

/* The result of the whole. */
static int play(const Case *c, const Secret *password, Failure *f)
{
    Played played = {0};
    const Gssapi gssapi = PLAYED_GSSAPI(&played);
    const ProxyOptions options = {
        .kind = c->kind,
        .login = c->login,
        .gssapi = &gssapi,
        .proxy = "proxy.test port 1",
        .host = "relay.test",
        .port = 25,
        .user = "ann",
        .password = password,
        .data = c->kind == PROXY_TUNNEL ? password : NULL,
    };
    ProxyDialogue *dialogue = NULL;
    int r = DIALOGUE(proxy_dialogue_new(&options, &dialogue, f));

    for (size_t i = 0; i < 4 && c->answers[i] && (r == PROXY_MORE || r == PROXY_ANEW); i++) {
        size_t used;

        if (r == PROXY_ANEW)
            r = DIALOGUE(proxy_dialogue_anew(dialogue, f));
        if (r < 0)
            break;
        proxy_dialogue_written(dialogue, buffer_size(proxy_dialogue_output(dialogue)));
        r = DIALOGUE(proxy_dialogue_receive(dialogue, c->answers[i], c->sizes[i], &used, f));
    }
    proxy_dialogue_free(dialogue);
    return r;
}

START_TEST(want_of_memory_is_told)
{
    const Case *c = &cases[_i];
    _cleanup_secret_ Secret *password = secret_new("X-A: secret", 11);
    size_t failed = 0;
    int r;

    do {
        _cleanup_failure_ Failure f = {0};

        n_allocations = 0;
        allocation_to_fail = failed++;
        r = play(c, password, &f);
        allocation_to_fail = SIZE_MAX;
        ck_assert_msg(r == c->result || r == -ENOMEM, "%d", r);
    } while (n_allocations >= failed);
    ck_assert_int_eq(r, c->result);
    ck_assert_uint_ge(failed, c->least);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("proxy memory");
    TCase *tests = tcase_create("all");

    tcase_add_loop_test(tests, want_of_memory_is_told, 0, ELEMENTSOF(cases));
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
