/* Encoded words, phrases and parameters. Must never cut a character in two: each part is decoded
 * for itself. */
#include "message/field_text.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "message/atext.h"

#define WORD_MAX 75      /* RFC 2047, 2 */
#define WORD_MARKS 7     /* "=?", "?Q?" and "?=" around the character set and the text */
#define WORD_TEXT_MIN 18 /* where less is left for the text, a new line is begun */

/* What was gathered, `r` being how that went, as one piece. */
static void put_gathered(FieldWriter *w, int r, const Buffer *piece)
{
    if (r < 0 && w->error == 0)
        w->error = r;
    field_put(w, " ", 1, buffer_data(piece), buffer_size(piece));
}

/* ---- encoded words ---- */

/* What stands for itself in an encoded word of a phrase (RFC 2047, 5), and so everywhere. */
static bool is_plain(char c)
{
    return text_is_alphanumeric(c) || (c != '\0' && strchr("!*+-/", c));
}

static size_t q_size(const char *text, size_t n)
{
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += is_plain(text[i]) || text[i] == ' ' ? 1 : 3;
    return size;
}

/* Bytes of the character at `text`. */
static size_t character_size(const char *text, size_t n)
{
    size_t size = 1;

    while (size < n && ((unsigned char)text[size] & 0xc0) == 0x80)
        size++;
    return size;
}

/* How much of a text goes into a word. Some readers (GMime) read no base64 on behind the padding of
 * the word before, and so a word ends where there is none, if such a place is near its end. */
typedef struct Fit {
    size_t used;    /* bytes that have room */
    size_t padless; /* of them, those up to the last place without padding; 0: none */
} Fit;

#define PADLESS_NEAR 12

/* The bytes up to `used` have room; encoded they are `n_encoded` bytes of a character set. */
static void note_fit(Fit *fit, size_t used, size_t n_encoded, bool q)
{
    fit->used = used;
    if (!q && n_encoded % 3 == 0)
        fit->padless = used;
}

/* What to take of `n` bytes. */
static size_t take_fit(const Fit *fit, size_t n)
{
    return fit->used < n && fit->padless > 0 && fit->used - fit->padless <= PADLESS_NEAR
               ? fit->padless
               : fit->used;
}

/* Bytes of the longest beginning whose encoding has `room`; one character at least. */
static size_t fitting(const char *text, size_t n, bool q, size_t room)
{
    size_t encoded = 0;
    Fit fit = {0};

    while (fit.used < n) {
        size_t size = character_size(text + fit.used, n - fit.used);

        encoded = q ? encoded + q_size(text + fit.used, size) : encode_base64_size(fit.used + size);
        if (encoded > room && fit.used > 0)
            break;
        note_fit(&fit, fit.used + size, fit.used + size, q);
    }
    return take_fit(&fit, n);
}

static int append_q(const char *text, size_t n, Buffer *out)
{
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++) {
        char code[ENCODE_CODE_SIZE];

        encode_code(code, '=', text[i]);
        if (is_plain(text[i]))
            r = buffer_append(out, text + i, 1);
        else if (text[i] == ' ')
            r = buffer_append(out, "_", 1);
        else
            r = buffer_append(out, code, sizeof(code));
    }
    return r;
}

/* ---- in another character set ---- */

static const char *charset_name(const FieldWriter *w)
{
    return w->charset ? w->charset->name : "UTF-8";
}

/* The text in the words' character set, in `converted` where that is another one. False where the
 * set lacks one of its characters, which is remembered, as errors are. */
static bool convert(FieldWriter *w, const char **text, size_t *n, Buffer *converted)
{
    int r;

    if (!w->charset)
        return true;
    buffer_clear(converted);
    r = charset_convert(w->charset, *text, *n, converted);
    for (size_t at = 0, size; r == -EILSEQ && at < *n; at += size) {
        size = character_size(*text + at, *n - at);
        buffer_clear(converted);
        if (charset_convert(w->charset, *text + at, size, converted) == -EILSEQ) {
            field_fail_character(w, *text + at, size);
            return false;
        }
    }
    if (r < 0 && w->error == 0)
        w->error = r == -EILSEQ ? -EBADMSG : r;
    *text = buffer_data(converted) ?: "";
    *n = buffer_size(converted);
    return r >= 0;
}

/* As fitting(): a set may take a shift for a character, and so the beginning is encoded anew with
 * each. It is no longer than a word. */
static size_t fitting_converted(FieldWriter *w, const char *text, size_t n, bool q, size_t room)
{
    _cleanup_buffer_ Buffer converted = {0};
    Fit fit = {0};

    while (fit.used < n && w->error == 0) {
        size_t used = fit.used + character_size(text + fit.used, n - fit.used), n_word = used;
        const char *word = text;

        if (!convert(w, &word, &n_word, &converted))
            break;
        if ((q ? q_size(word, n_word) : encode_base64_size(n_word)) > room && fit.used > 0)
            break;
        note_fit(&fit, used, n_word, q);
    }
    return take_fit(&fit, n);
}

static void put_encoded_word(FieldWriter *w, const char *text, size_t n, bool q)
{
    _cleanup_buffer_ Buffer word = {0}, converted = {0};
    int r = buffer_appendf(&word, "=?%s?%c?", charset_name(w), q ? 'Q' : 'B');

    if (!convert(w, &text, &n, &converted))
        return;
    if (r >= 0)
        r = q ? append_q(text, n, &word) : encode_base64(text, n, &word);
    if (r >= 0)
        r = buffer_append_string(&word, "?=");
    put_gathered(w, r, &word);
}

/* Whether quoted-printable, which people can read, is the encoding, unless it is much the longer
 * one. */
static bool wants_q(FieldWriter *w, const char *text, size_t n)
{
    _cleanup_buffer_ Buffer converted = {0};

    return convert(w, &text, &n, &converted) && 2 * q_size(text, n) <= 3 * encode_base64_size(n);
}

/* All of it in one encoding. */
void field_put_encoded(FieldWriter *w, const char *text, size_t n)
{
    size_t marks = WORD_MARKS + strlen(charset_name(w)), most = MIN(w->width - 1, (size_t)WORD_MAX);
    bool q = wants_q(w, text, n);

    for (size_t size; n > 0 && w->error == 0; text += size, n -= size) {
        size_t room = field_room(w);

        room = room < marks + WORD_TEXT_MIN ? most : MIN(room, most);
        size = w->charset ? fitting_converted(w, text, n, q, room - marks)
                          : fitting(text, n, q, room - marks);
        put_encoded_word(w, text, size, q);
    }
}

/* ---- encoded words of others ---- */

#define ENCODED_WORD_MIN 8 /* a character set and an encoding of one character, and no text */

/* Whether the text is one encoded word, and nothing else (RFC 2047, 2). */
static bool is_encoded_word(const char *text, size_t n)
{
    const char *end = text + n, *charset = text + 2, *encoding;

    if (n < ENCODED_WORD_MIN || memcmp(text, "=?", 2) != 0 || memcmp(end - 2, "?=", 2) != 0)
        return false;
    encoding = memchr(charset, '?', (size_t)(end - 2 - charset));
    return encoding && encoding > charset && end - encoding > 4 && strchr("bBqQ", encoding[1]) &&
           encoding[2] == '?' && memchr(encoding + 3, '?', (size_t)(end - encoding - 3)) == end - 2;
}

/* Whether readers might decode a part of a word that is none. */
static bool is_misleading(const char *text, size_t n)
{
    return memmem(text, n, "=?", 2) && !is_encoded_word(text, n);
}

/* ---- unstructured text ---- */

/* A word and the blanks before it. */
typedef struct Word {
    const char *blanks, *text, *end;
    bool encoded;    /* has to be */
    bool is_encoded; /* is it already */
} Word;

/* Characters that a word has on a line of its own. */
static size_t room_of_line(const FieldWriter *w)
{
    return w->width - 1;
}

/* The next word, which has to be encoded when it takes more than that room. */
static Word next_word(const char *at, const char *end, size_t room)
{
    Word word = {.blanks = at};
    size_t n;

    while (at < end && text_is_blank(*at))
        at++;
    word.text = at;
    while (at < end && !text_is_blank(*at))
        at++;
    word.end = at;
    n = (size_t)(at - word.text);
    word.is_encoded = is_encoded_word(word.text, n);
    word.encoded = !text_is_ascii(word.text, n) || n > room || is_misleading(word.text, n);
    return word;
}

/* Text that has to be encoded, with the blanks in front of it but one, which stands before any
 * word; and with all of them beside other encoded words, for readers leave out those between two.
 * Returns where it ends. */
static const char *put_run(FieldWriter *w, const Word *first, bool behind_encoded, const char *end)
{
    const char *start = first->blanks + (!behind_encoded && first->blanks < first->text);
    Word last = *first, next = {0};

    while (last.end < end && (next = next_word(last.end, end, room_of_line(w))).encoded)
        last = next;
    if (last.end < end && next.is_encoded)
        last.end = next.text;
    field_put_encoded(w, start, (size_t)(last.end - start));
    return last.end;
}

void field_put_text(FieldWriter *w, const char *text, size_t n)
{
    const char *end = text + n;
    bool behind_encoded = false;

    while (end > text && text_is_blank(end[-1]))
        end--;
    while (text < end && text_is_blank(*text))
        text++;
    for (bool first = true; text < end; first = false) {
        Word word = next_word(text, end, first ? field_room(w) : room_of_line(w));
        bool glued = word.blanks == word.text;

        if (word.encoded)
            text = put_run(w, &word, behind_encoded, end);
        else
            field_put(w, glued ? " " : word.blanks, glued ? 1 : (size_t)(word.text - word.blanks),
                word.text, (size_t)(word.end - word.text));
        if (!word.encoded)
            text = word.end;
        behind_encoded = word.is_encoded && !word.encoded;
    }
}

/* ---- phrases ---- */

/* Atoms with one blank between them. */
static bool is_atoms(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] == ' ' ? i == 0 || i + 1 == n || text[i - 1] == ' '
                           : (text[i] & 0x80) || !is_atext(text[i]))
            return false;
    return n > 0;
}

static int append_quoted(const char *text, size_t n, Buffer *out)
{
    int r = buffer_append(out, "\"", 1);

    for (size_t i = 0; i < n && r >= 0; i++) {
        if (text[i] == '"' || text[i] == '\\')
            r = buffer_append(out, "\\", 1);
        if (r >= 0)
            r = buffer_append(out, text + i, 1);
    }
    return r < 0 ? r : buffer_append(out, "\"", 1);
}

static void put_quoted(FieldWriter *w, const char *text, size_t n)
{
    _cleanup_buffer_ Buffer quoted = {0};
    int r = append_quoted(text, n, &quoted);

    put_gathered(w, r, &quoted);
}

/* Whether no word of the name has to be encoded, the first having this room. */
static bool is_plain_text(const FieldWriter *w, const char *text, const char *end, size_t room)
{
    bool plain = true;

    for (; plain && text < end; room = room_of_line(w)) {
        Word word = next_word(text, end, room);

        plain = !word.encoded;
        text = word.end;
    }
    return plain;
}

static void put_atoms(FieldWriter *w, const char *text, size_t n)
{
    for (size_t size; n > 0; text += size, n -= size) {
        const char *blank = memchr(text, ' ', n);

        size = blank ? (size_t)(blank - text) : n;
        field_put(w, " ", 1, text, size);
        size += size < n;
    }
}

void field_put_phrase(FieldWriter *w, const char *name, size_t n)
{
    size_t room = w->begun ? room_of_line(w) - w->glued : field_room(w);
    bool plain = is_plain_text(w, name, name + n, room);

    if (plain && is_atoms(name, n))
        put_atoms(w, name, n);
    else if (!plain || n + strlen("\"\"") > room)
        field_put_encoded(w, name, n);
    else
        put_quoted(w, name, n);
}

/* ---- parameters ---- */

#define SECTION_MAX 60 /* of a value that is written in sections (RFC 2231, 3) */

/* Of fewer characters than a token may have: some readers stumble over the others. */
static bool is_simple(const char *value)
{
    for (const char *c = value; *c; c++)
        if (!text_is_alphanumeric(*c) && !strchr("._+-", *c))
            return false;
    return *value != '\0';
}

/* What stands for itself behind "name*=" (RFC 2231, 7). */
static bool is_attribute_char(char c)
{
    return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=*'%", c);
}

/* "NAME*=", "NAME*0*=". */
static int begin_section(Buffer *out, const char *name, int section)
{
    return section < 0
               ? buffer_appendf(out, "%s*=utf-8''", name)
               : buffer_appendf(out, "%s*%d*=%s", name, section, section == 0 ? "utf-8''" : "");
}

/* One character, percent-encoded where it has to be. */
static int append_extended(Buffer *out, const char *text, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++) {
        char code[ENCODE_CODE_SIZE];

        if (is_attribute_char(text[i])) {
            r = buffer_append(out, text + i, 1);
        } else {
            encode_code(code, '%', text[i]);
            r = buffer_append(out, code, sizeof(code));
        }
    }
    return r;
}

static size_t extended_size(const char *text, size_t n)
{
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += is_attribute_char(text[i]) ? 1 : 3;
    return size;
}

static void put_extended(FieldWriter *w, const char *name, const char *value)
{
    size_t n = strlen(value);
    int section = extended_size(value, n) <= SECTION_MAX ? -1 : 0;

    while (n > 0 && w->error == 0) {
        _cleanup_buffer_ Buffer piece = {0};
        size_t used = 0;
        int r = begin_section(&piece, name, section);

        for (size_t size; n > 0; value += size, n -= size) {
            size = character_size(value, n);
            if (used > 0 && used + extended_size(value, size) > SECTION_MAX)
                break;
            used += extended_size(value, size);
            r = r < 0 ? r : append_extended(&piece, value, size);
        }
        field_put_glued(w, ";");
        put_gathered(w, r, &piece);
        section += section >= 0;
    }
}

/* The value with "_" for each character that is not ASCII or begins an encoded word, cut where it
 * is too long. */
static void put_plain(FieldWriter *w, const char *name, const char *value)
{
    _cleanup_buffer_ Buffer piece = {0};
    char plain[SECTION_MAX + 1];
    size_t used = 0, n = strlen(value);
    int r;

    for (size_t size; n > 0 && used < SECTION_MAX; value += size, n -= size) {
        bool misleads = n > 1 && memcmp(value, "=?", 2) == 0;

        size = character_size(value, n);
        plain[used++] = size == 1 && !(*value & 0x80) && !misleads ? *value : '_';
    }
    plain[used] = '\0';
    r = buffer_appendf(&piece, "%s=", name);
    if (r >= 0)
        r = is_simple(plain) ? buffer_append(&piece, plain, used)
                             : append_quoted(plain, used, &piece);
    field_put_glued(w, ";");
    put_gathered(w, r, &piece);
}

void field_put_parameter(FieldWriter *w, const char *name, const char *value)
{
    size_t n = strlen(value);

    /* Some readers take the first of the two, and many decode encoded words, which are none here.
     */
    if (!text_is_ascii(value, n) || n > SECTION_MAX || strstr(value, "=?"))
        put_extended(w, name, value);
    put_plain(w, name, value);
}
