/* A proxy of a test's: its answers as bytes, told whole, byte by byte, and cut in two at every
 * place, which must make no difference. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "proxy/dialogue.h"
#include "unit.h"

typedef struct Answer {
    const char *data; /* NULL: it closes the connection */
    size_t n;
} Answer;

#define A(literal) ((Answer){literal, sizeof(literal) - 1})
#define CLOSES ((Answer){NULL, 0})
#define ANSWERS(...) ((const Answer[]){__VA_ARGS__}), ELEMENTSOF(((const Answer[]){__VA_ARGS__}))

/* What was said, and what came of it. */
typedef struct Talk {
    Buffer said; /* "|" begins what a further connection was told */
    char trace[4000];
    int result;
    size_t behind; /* bytes of the last answer that are not the proxy's */
    Failure failure;
} Talk;

static inline void on_trace(void *user, bool from_proxy, const char *line, size_t n)
{
    Talk *talk = user;
    size_t used = strlen(talk->trace);

    snprintf(talk->trace + used, sizeof(talk->trace) - used, "%c %.*s\n", from_proxy ? '<' : '>',
        (int)n, line);
}

static inline void hear(Talk *talk, ProxyDialogue *dialogue)
{
    const Buffer *output = proxy_dialogue_output(dialogue);

    ck_assert_int_eq(buffer_append(&talk->said, buffer_data(output), buffer_size(output)), 0);
    proxy_dialogue_written(dialogue, buffer_size(output));
    ck_assert_uint_eq(buffer_size(proxy_dialogue_output(dialogue)), 0);
}

/* In pieces of `piece` bytes, or in two, the first of `-piece - 1` bytes. */
static inline int tell(Talk *talk, ProxyDialogue *dialogue, Answer answer, ssize_t piece)
{
    int r = PROXY_MORE;

    if (!answer.data)
        return proxy_dialogue_closed(dialogue, &talk->failure);
    for (size_t at = 0; at < answer.n && r == PROXY_MORE;) {
        size_t n = answer.n - at, used = 0;

        if (piece > 0)
            n = MIN(n, (size_t)piece);
        else if (piece < 0 && at == 0)
            n = MIN(n, (size_t)(-piece - 1));
        if (n == 0)
            n = answer.n;
        r = proxy_dialogue_receive(dialogue, answer.data + at, n, &used, &talk->failure);
        ck_assert_uint_le(used, n);
        if (r == PROXY_MORE)
            ck_assert_uint_eq(used, n);
        at += used;
        talk->behind = answer.n - at;
    }
    return r;
}

static inline Talk talk_to(
    const ProxyOptions *given, const Answer *answers, size_t n, ssize_t piece)
{
    Talk talk = {0};
    ProxyOptions options = *given;
    _cleanup_(proxy_dialogue_free_p) ProxyDialogue *dialogue = NULL;

    options.proxy = options.proxy ?: "proxy.test port 1";
    options.trace = on_trace;
    options.trace_user = &talk;
    talk.result = proxy_dialogue_new(&options, &dialogue, &talk.failure);
    for (size_t i = 0; i < n && (talk.result == PROXY_MORE || talk.result == PROXY_ANEW); i++) {
        if (talk.result == PROXY_ANEW) {
            ck_assert_int_eq(proxy_dialogue_anew(dialogue, &talk.failure), 0);
            ck_assert_int_eq(buffer_append(&talk.said, "|", 1), 0);
        }
        hear(&talk, dialogue);
        talk.result = tell(&talk, dialogue, answers[i], piece);
    }
    if (dialogue && talk.result == PROXY_MORE)
        hear(&talk, dialogue);
    ck_assert_int_eq(buffer_append(&talk.said, "", 1), 0);
    return talk;
}

static inline void talk_done(Talk *talk)
{
    buffer_done(&talk->said);
    failure_done(&talk->failure);
}

/* In every way; the last one is returned. */
static inline Talk talk_in_every_way(const ProxyOptions *options, const Answer *answers, size_t n)
{
    Talk whole = talk_to(options, answers, n, 0);
    size_t longest = 0;

    for (size_t i = 0; i < n; i++)
        longest = MAX(longest, MIN(answers[i].n, (size_t)600));
    for (ssize_t piece = 1; piece >= -(ssize_t)longest; piece -= piece == 1 ? 3 : 1) {
        Talk cut = talk_to(options, answers, n, piece);

        ck_assert_int_eq(cut.result, whole.result);
        if (whole.result >= 0)
            ck_assert_uint_eq(cut.behind, whole.behind);
        ck_assert_uint_eq(buffer_size(&cut.said), buffer_size(&whole.said));
        ck_assert_int_eq(cut.failure.reason, whole.failure.reason);
        talk_done(&cut);
    }
    return whole;
}

/* What comes after so much of the answers and no more: never a way that stands. */
static inline void check_cut_off(const ProxyOptions *options, const Answer *answers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t end = 0; end < answers[i].n; end++) {
            Answer cut[8];
            Talk talk;

            ck_assert_uint_lt(i + 1, ELEMENTSOF(cut));
            memcpy(cut, answers, i * sizeof(*cut));
            cut[i] = (Answer){answers[i].data, end};
            cut[i + 1] = CLOSES;
            talk = talk_to(options, cut, i + 2, 0);
            ck_assert_int_ne(talk.result, PROXY_STANDS);
            ck_assert_int_ne(talk.result, PROXY_MORE);
            if (talk.result < 0)
                ck_assert_int_eq(talk.failure.number, ERROR_FIREWALL);
            talk_done(&talk);
        }
}

/* The way stands, with so many bytes behind, after `said`. */
static inline void check_stands(const ProxyOptions *options, const Answer *answers, size_t n,
    const char *said, size_t n_said, size_t behind)
{
    Talk talk = talk_in_every_way(options, answers, n);

    ck_assert_msg(talk.result == PROXY_STANDS, "%d: %s", talk.result, failure_text(&talk.failure));
    ck_assert_uint_eq(talk.behind, behind);
    ck_assert_msg(
        buffer_size(&talk.said) == n_said + 1 && memcmp(buffer_data(&talk.said), said, n_said) == 0,
        "\"%s\"", buffer_data(&talk.said));
    talk_done(&talk);
    if (behind == 0)
        check_cut_off(options, answers, n);
}

#define CHECK_STANDS(options, answers, said, behind) \
    check_stands(&(options), answers, said, sizeof(said) - 1, behind)

/* It does not, with the reason and the words. */
static inline void check_fails(const ProxyOptions *options, const Answer *answers, size_t n,
    FaultReason reason, const char *words)
{
    Talk talk = talk_in_every_way(options, answers, n);

    ck_assert_msg(talk.result < 0, "%d", talk.result);
    ck_assert_int_eq(talk.failure.number, ERROR_FIREWALL);
    ck_assert_msg(talk.failure.reason == reason && strstr(failure_text(&talk.failure), words),
        "%d: %s", (int)talk.failure.reason, failure_text(&talk.failure));
    talk_done(&talk);
}
