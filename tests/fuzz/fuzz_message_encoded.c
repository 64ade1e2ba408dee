/* What we encode is decoded by GMime, and is what it was: encoded words (RFC 2047) in a text and in
 * a name, a parameter (RFC 2231), quoted-printable and base64 (RFC 2045). The input is the text. */
#include <gmime/gmime.h>
#undef MIN /* GLib has the same two */
#undef MAX
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "message/field_text.h"
#include "target.h"

#define PARAMETER_MAX 20000 /* GMime goes over the sections of a value again and again */

typedef char *(*Decode)(const char *field);

/* A field with what `put` writes, as a line without its name and end; NULL where it is refused. */
static char *write_field(void (*put)(FieldWriter *w, const char *text, size_t n), const char *text)
{
    _cleanup_buffer_ Buffer out = {0};
    FieldWriter w;

    field_begin(&w, &(FieldOutput){&out, FIELD_LINE_WIDTH, NULL}, "X", 1);
    put(&w, text, strlen(text));
    if (field_end(&w, "x", NULL) < 0)
        return NULL;
    return strndup(buffer_data(&out) + strlen("X:"), buffer_size(&out) - strlen("X:\n"));
}

static void compare(
    const char *text, size_t n, void (*put)(FieldWriter *w, const char *, size_t), Decode decode)
{
    _cleanup_free_
    char *field = write_field(put, text);
    char *decoded = field ? decode(field) : NULL;

    if (decoded && (strlen(decoded) != n || memcmp(decoded, text, n) != 0))
        abort();
    g_free(decoded);
}

/* The next blanks, or what is between blanks. */
static size_t token_length(const char *at)
{
    return strspn(at, " ") ?: strcspn(at, " ");
}

static bool is_encoded_word(const char *at, size_t n)
{
    return n > 4 && memcmp(at, "=?", 2) == 0 && memcmp(at + n - 2, "?=", 2) == 0;
}

/* Each encoded word alone, and the blanks between two of them left out (RFC 2047, 6.2): GMime reads
 * no base64 on behind the padding of the word before. */
static char *decode_text(const char *field)
{
    char *unfolded = g_mime_utils_header_unfold(field);
    GString *text = g_string_new(NULL);
    size_t n, skipped = 0;
    bool was_encoded = false;

    for (const char *at = unfolded; *at; at += n) {
        bool is_blank = *at == ' ', is_encoded;

        n = token_length(at);
        is_encoded = is_encoded_word(at, n);
        if (is_encoded) {
            char *word = g_strndup(at, n), *decoded = g_mime_utils_header_decode_text(NULL, word);

            g_string_truncate(text, text->len - (was_encoded ? skipped : 0));
            g_string_append(text, decoded);
            g_free(decoded);
            g_free(word);
        } else if (at > unfolded || !is_blank) {
            g_string_append_len(text, at, (gssize)n);
        }
        skipped = is_blank ? n : 0;
        was_encoded = is_encoded || (is_blank && was_encoded);
    }
    g_free(unfolded);
    return g_string_free(text, FALSE);
}

static void put_mailbox(FieldWriter *w, const char *text, size_t n)
{
    field_put_phrase(w, text, n);
    field_put_word(w, "<a@b>");
}

static char *decode_name(const char *field)
{
    const char *end = strrchr(field, ' ');
    _cleanup_free_
    char *phrase = strndup(field, (size_t)(end - field));
    InternetAddressList *list;
    char *unfolded, *name;

    if (strstr(phrase, "=?"))
        return decode_text(phrase);
    unfolded = g_mime_utils_header_unfold(field);
    list = internet_address_list_parse(NULL, unfolded);
    g_free(unfolded);
    if (!list || internet_address_list_length(list) != 1)
        abort();
    name = g_strdup(internet_address_get_name(internet_address_list_get_address(list, 0)) ?: "");
    g_object_unref(list);
    return name;
}

static void put_parameter(FieldWriter *w, const char *text, size_t n _unused_)
{
    field_put_word(w, "attachment");
    field_put_parameter(w, "filename", text);
}

static char *decode_parameter(const char *field)
{
    GMimeContentDisposition *disposition = g_mime_content_disposition_parse(NULL, field);
    char *value = g_strdup(g_mime_content_disposition_get_parameter(disposition, "filename") ?: "");

    g_object_unref(disposition);
    return value;
}

static void compare_body(const void *data, size_t n, int (*encode)(const void *, size_t, Buffer *),
    GMimeContentEncoding which)
{
    _cleanup_buffer_ Buffer encoded = {0};
    GMimeEncoding decoder;
    char *decoded;

    if (encode(data, n, &encoded) < 0)
        abort();
    if (buffer_size(&encoded) == 0)
        return;
    g_mime_encoding_init_decode(&decoder, which);
    decoded = g_malloc(g_mime_encoding_outlen(&decoder, buffer_size(&encoded)));
    if (g_mime_encoding_flush(&decoder, buffer_data(&encoded), buffer_size(&encoded), decoded) !=
            n ||
        memcmp(decoded, data, n) != 0)
        abort();
    g_free(decoded);
}

/* Without the end that an open last line is given. */
static int quote(const void *data, size_t n, Buffer *out)
{
    int r = encode_quoted_printable(data, n, out);

    if (r >= 0 && n > 0 && ((const char *)data)[n - 1] != '\n')
        buffer_truncate(out, buffer_size(out) - 1);
    return r;
}

/* Such a text as callers hand over: UTF-8 of one line, no encoded word in it, no blank at its ends.
 */
static bool is_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return n > 0 && text[0] != ' ' && text[n - 1] != ' ' && !strstr(text, "=?") &&
           text_is_utf8(text, n);
}

const FuzzBudget fuzz_budget = {.steps = 100000, .steps_per_byte = 1000};

void fuzz_input(const uint8_t *data, size_t size)
{
    static bool is_ready;
    _cleanup_free_
    char *text = strndup((const char *)data, size);
    size_t n = text ? strlen(text) : 0;

    if (!text)
        abort();
    if (!is_ready)
        g_mime_init();
    is_ready = true;
    compare_body(data, size, encode_base64_lines, GMIME_CONTENT_ENCODING_BASE64);
    compare_body(data, size, quote, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
    if (!is_text(text, n))
        return;
    compare(text, n, field_put_text, decode_text);
    compare(text, n, put_mailbox, decode_name);
    if (n <= PARAMETER_MAX)
        compare(text, n, put_parameter, decode_parameter);
}
