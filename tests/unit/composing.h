/* Composing for tests, and GMime's reading of it. */
#pragma once

/* GLib's MIN and MAX take the place of ours, and not the other way round. */
/* clang-format off */
#include "base/macros.h"
#include <gmime/gmime.h>
/* clang-format on */

#include <errno.h>
#include <string.h>

#include "message/compose.h"
#include "unit.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline Compose letter(void)
{
    static const char *const to[] = {"ann@lab.test", NULL};

    return (Compose){.from = "shop@lab.test", .to = to, .now = 1767351845123456u};
}

static inline int compose_all(const Compose *c, Buffer *out, Failure *f)
{
    _cleanup_(composed_free_p) Composed *composed = NULL;
    int r = compose_open(c, &composed, f);

    while (r >= 0 && (r = composed_read(composed, 1, out, f)) > 0)
        continue;
    return r;
}

static inline void assert_refused(const Compose *c, int number, const char *why)
{
    _cleanup_buffer_ Buffer out = {0};
    _cleanup_failure_ Failure f = {0};

    ck_assert_int_eq(compose_all(c, &out, &f), -EBADMSG);
    ck_assert_msg(strstr(failure_text(&f), why), "%s", failure_text(&f));
    ck_assert_int_eq(f.number, number);
}

static inline GMimeMessage *parse(const Buffer *text)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(buffer_data(text), buffer_size(text));
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);

    g_object_unref(parser);
    g_object_unref(stream);
    ck_assert_ptr_nonnull(message);
    return message;
}

static inline GMimeMessage *compose_and_parse(const Compose *c)
{
    _cleanup_buffer_ Buffer out = {0};
    _cleanup_failure_ Failure f = {0};

    ck_assert_msg(compose_all(c, &out, &f) == 0, "%s", failure_text(&f));
    return parse(&out);
}

/* The content of a part, decoded. */
static inline void decode(GMimeObject *part, Buffer *out)
{
    GMimeDataWrapper *content;
    GMimeStream *stream;
    GByteArray *bytes;

    ck_assert(GMIME_IS_PART(part));
    content = g_mime_part_get_content(GMIME_PART(part));
    stream = g_mime_stream_mem_new();
    if (content)
        g_mime_data_wrapper_write_to_stream(content, stream);
    bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    ck_assert_int_eq(buffer_append(out, bytes->data, bytes->len), 0);
    ck_assert_int_eq(buffer_append(out, "", 1), 0);
    g_object_unref(stream);
}

static inline void assert_content(GMimeObject *part, const char *type, const char *wanted)
{
    _cleanup_buffer_ Buffer text = {0};
    char *is = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(part));

    ck_assert_str_eq(is, type);
    g_free(is);
    decode(part, &text);
    ck_assert_str_eq(buffer_data(&text), wanted);
}

static inline GMimeObject *child(GMimeObject *of, int i, const char *subtype, int n)
{
    ck_assert(GMIME_IS_MULTIPART(of));
    ck_assert_str_eq(
        g_mime_content_type_get_media_subtype(g_mime_object_get_content_type(of)), subtype);
    ck_assert_int_eq(g_mime_multipart_get_count(GMIME_MULTIPART(of)), n);
    return g_mime_multipart_get_part(GMIME_MULTIPART(of), i);
}
