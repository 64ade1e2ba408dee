/* A client that is played, and who is told: what both have said, in words. Senders and recipients
 * whose local part is "no" are refused, as is content that begins with "!"; one that is "gone"
 * closes the session. */
#pragma once

#include "base/buffer.h"
#include "base/macros.h"
#include "receive/session.h"
#include "unit.h"

/* Replies by their codes: "250 2.1.0;", "250-;". */
static inline void talk_replies(ReceiveSession *s, Buffer *told)
{
    Buffer *replies = receive_session_replies(s);
    const char *at = buffer_data(replies), *end = at ? at + buffer_size(replies) : NULL;

    while (at < end) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        bool enhanced = line_end && line_end - at > 6 && at[5] == '.';

        ck_assert_ptr_nonnull(line_end);
        ck_assert_int_le(line_end - at, 510);
        (void)buffer_append(told, at, enhanced ? strcspn(at + 4, " ") + 4 : at[3] == '-' ? 4 : 3);
        (void)buffer_append(told, ";", 1);
        at = line_end + 2;
    }
    buffer_clear(replies);
}

static inline void talk_answer(ReceiveSession *s, ReceiveEvent event, const ReceivePart *part)
{
    bool no = part->address && strncmp(part->address, "no@", 3) == 0;

    if (part->address && strncmp(part->address, "gone@", 5) == 0)
        receive_session_close(s, 421, "4.3.2", "not now");
    else if (no && event == RECEIVE_SENDER)
        receive_session_refuse(s, 550, "5.7.1", "not this one");
    else if (no)
        receive_session_refuse(s, 550, "5.1.1", "nobody");
    else
        receive_session_accept(s, "taken");
}

static inline void talk_event(
    ReceiveSession *s, ReceiveEvent event, const ReceivePart *part, bool begins, Buffer *told)
{
    static const char *const names[] = {[RECEIVE_SENDER] = "from",
        [RECEIVE_RECIPIENT] = "to",
        [RECEIVE_END] = "end",
        [RECEIVE_DROP] = "drop",
        [RECEIVE_CLOSE] = "close"};

    if (event == RECEIVE_CONTENT) {
        ck_assert_uint_gt(part->n, 0);
        (void)buffer_append(told, part->data, part->n);
        if (begins && part->n > 0 && part->data[0] == '!')
            receive_session_refuse(s, 452, "4.3.1", "no room");
        return;
    }
    if (event == RECEIVE_DROP) /* how much of it was passed on depends on how the octets came */
        while (buffer_size(told) > 0 && *(buffer_at(told, buffer_size(told) - 1)) != ';')
            buffer_truncate(told, buffer_size(told) - 1);
    (void)buffer_appendf(told, "<%s%s%s%s%s>", names[event], part->address ? " " : "",
        part->address ?: "", part->parameters ? " " : "", part->parameters ?: "");
    if (event == RECEIVE_SENDER || event == RECEIVE_RECIPIENT || event == RECEIVE_END)
        talk_answer(s, event, part);
}

/* False: the session is over. */
static inline bool talk_feed(
    ReceiveSession *s, const char *data, size_t n, bool *begins, Buffer *told)
{
    for (;;) {
        ReceivePart part;
        ReceiveEvent event = receive_session_take(s, &data, &n, &part);

        talk_replies(s, told);
        if (event == RECEIVE_MORE) {
            ck_assert_uint_eq(n, 0);
            return true;
        }
        talk_event(s, event, &part, *begins, told);
        *begins = event == RECEIVE_SENDER || (*begins && event != RECEIVE_CONTENT);
        talk_replies(s, told);
        if (event == RECEIVE_CLOSE)
            return false;
    }
}

/* What is told of these octets, given in pieces of that size, but for the first. */
static inline char *talk_bytes(
    const char *data, size_t n, size_t first, size_t piece, uint64_t max_bytes)
{
    ReceiveSession *s = receive_session_new("mx.test", max_bytes);
    Buffer told = {0};
    bool begins = false, goes_on = true;

    ck_assert_ptr_nonnull(s);
    for (size_t at = 0, size = first; at < n && goes_on; at += size, size = piece) {
        size = MIN(size, n - at);
        goes_on = size == 0 || talk_feed(s, data + at, size, &begins, &told);
    }
    if (goes_on && !receive_session_end(s))
        (void)buffer_append_string(&told, "<cut>");
    talk_replies(s, &told);
    (void)buffer_append(&told, "", 1);
    receive_session_free(s);
    return told.memory + told.start;
}

/* Whole, octet by octet, and cut at each place. */
static inline void talk_check_bytes(
    const char *data, size_t n, uint64_t max_bytes, const char *expected)
{
    for (size_t cut = 0; cut <= n; cut++) {
        char *told = talk_bytes(data, n, cut, cut == 0 ? 1 : n, max_bytes);

        ck_assert_str_eq(told, expected);
        free(told);
    }
}

static inline void talk_check(const char *data, const char *expected)
{
    talk_check_bytes(data, strlen(data), 0, expected);
}

#define GREETED "220;250-;250-;250-;250-;250-;250-;250-;250-;250-;250;"
#define EHLO "EHLO me.test\r\n"
#define MAIL "MAIL FROM:<a@b>\r\n"
#define RCPT "RCPT TO:<c@d>\r\n"
#define MAILED "<from a@b>250 2.1.0;<to c@d>250 2.1.5;"

/* Behind EHLO. */
static inline void talk_check_greeted(const char *data, const char *expected)
{
    _cleanup_free_
    char *said = NULL, *wanted = NULL;

    ck_assert_int_ge(asprintf(&said, EHLO "%s", data), 0);
    ck_assert_int_ge(asprintf(&wanted, GREETED "%s", expected), 0);
    talk_check(said, wanted);
}
