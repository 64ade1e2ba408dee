/* Making address lists of what programs write in their place. Must never change one that can be
 * read, nor take words for an address. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "message/address.h"
#include "message/field_text.h"
#include "message/header.h"
#include "message/mend.h"
#include "message/mend_recipients.h"
#include "message/words.h"

/* ---- the elements of a list ---- */

/* Moves behind what is quoted, a comment, or <...>. False where that does not end. */
static bool skip_closed(MailboxScanner *s)
{
    const char *close;

    if (*s->at == '"')
        return words_skip_quoted(s, NULL) == 0;
    if (*s->at == '(')
        return mailbox_skip_blanks(s, NULL) == 0;
    close = memchr(s->at, '>', (size_t)(s->end - s->at));
    s->at = close ? close + 1 : s->at;
    return close;
}

/* Moves behind an element. Nothing is closed any more behind what does not end: `*closes`. */
static void skip_element(MailboxScanner *s, bool *closes)
{
    while (s->at < s->end && *s->at != ',' && *s->at != ';') {
        const char *start = s->at;

        if (*closes && strchr("\"(<", *start))
            *closes = *start != '\0' && skip_closed(s);
        if (!*closes || s->at == start)
            s->at = start + 1;
    }
}

int address_list_split(const char *text, size_t n, AddressElement handler, void *user)
{
    bool closes = true;
    MailboxScanner s;
    int r = 0;

    mailbox_scanner_init(&s, text, n);
    while (r >= 0 && s.at < s.end) {
        const char *start = s.at, *end;

        skip_element(&s, &closes);
        end = s.at;
        s.at += s.at < s.end;
        while (start < end && text_is_space(*start))
            start++;
        while (start < end && text_is_space(end[-1]))
            end--;
        if (start < end)
            r = handler(user, start, (size_t)(end - start));
    }
    return r < 0 ? r : 0;
}

/* ---- writing originators ---- */

/* Whoever hands over the mail has the name from somewhere: control characters in it are blanks, and
 * what is no UTF-8 is Latin 1, as programs have it that do not say. 0 or -ENOMEM. */
static int clean_name(const char *name, Buffer *out)
{
    size_t n = name ? strlen(name) : 0;
    bool utf8 = text_is_utf8(name ?: "", n);
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c < ' ' || c == 0x7f || (!utf8 && c >= 0x80 && c < 0xa0))
            r = buffer_append(out, " ", 1);
        else if (c < 0x80 || utf8)
            r = buffer_append(out, name + i, 1);
        else
            r = buffer_append(out, (char[]){(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))}, 2);
    }
    while (buffer_size(out) > 0 && *buffer_at(out, buffer_size(out) - 1) == ' ')
        buffer_truncate(out, buffer_size(out) - 1);
    return r < 0 ? r : buffer_append(out, "", 1);
}

static void put_mailbox(FieldWriter *w, const char *name, const char *address)
{
    _cleanup_buffer_ Buffer clean = {0};
    char shown[ADDRESS_MAX + sizeof("<>")];
    const char *text;
    bool named;

    if (clean_name(name, &clean) < 0) {
        w->error = -ENOMEM;
        return;
    }
    text = buffer_data(&clean) + strspn(buffer_data(&clean), " ");
    named = *text != '\0';
    w->utf8 = w->utf8 || !text_is_ascii(address, strlen(address));
    if (named)
        field_put_phrase(w, text, strlen(text));
    (void)snprintf(shown, sizeof(shown), named ? "<%.*s>" : "%.*s", ADDRESS_MAX, address);
    field_put_word(w, shown);
}

int message_append_originator(const char *field, const char *name, const char *address, Buffer *out)
{
    const FieldOutput header = field_output(out);
    FieldWriter w;

    field_begin(&w, &header, field, strlen(field));
    put_mailbox(&w, name, address);
    return field_end(&w, field, NULL);
}

/* ---- reading what cannot be read ---- */

typedef struct Mender {
    const MendPeople *people;
    Buffer *out; /* the field alone */
    FieldWriter writer;
    size_t n; /* mailboxes */
} Mender;

static int count(void *user, const AddressItem *item)
{
    *(size_t *)user += item->kind == ADDRESS_MAILBOX;
    return 0;
}

/* Whether strangers read the same addresses in it as we do, who are patient with names. */
static bool can_be_read(const HeaderField *field)
{
    size_t strict = 0, loose = 0;

    return address_list_parse(
               field->value, field->n_value, ADDRESS_RECIPIENTS, count, &strict, NULL) >= 0 &&
           address_list_parse(
               field->value, field->n_value, ADDRESS_ORIGINATORS, count, &loose, NULL) >= 0 &&
           strict == loose && strict > 0;
}

static int put_item(void *user, const AddressItem *item)
{
    Mender *m = user;
    _cleanup_buffer_ Buffer name = {0};
    int r;

    if (item->kind != ADDRESS_MAILBOX)
        return 0;
    r = address_append_name(item, &name);
    if (r >= 0)
        r = buffer_append(&name, "", 1);
    if (r < 0)
        return r;
    if (m->n++ > 0)
        field_put_glued(&m->writer, ",");
    put_mailbox(&m->writer, buffer_data(&name), item->address);
    return 0;
}

static const char *const kept_out = "<>()\",;";

/* The first word of it that is an address, without what stands around it: in `address`, of
 * ADDRESS_MAX bytes and a NUL. All other words go to `name`. */
static int find_address(const HeaderField *field, char *address, Buffer *name)
{
    const char *at = field->value, *end = at + field->n_value;
    int r = 0;

    address[0] = '\0';
    while (r >= 0 && at < end) {
        const char *word = at, *last;

        while (at < end && !text_is_space(*at))
            at++;
        for (last = at; word < last && strchr(kept_out, *word);)
            word++;
        while (last > word && strchr(kept_out, last[-1]))
            last--;
        if (!address[0] && last - word <= ADDRESS_MAX &&
            address_check(word, (size_t)(last - word), false, NULL) >= 0)
            memcpy(mempcpy(address, word, (size_t)(last - word)), "", 1);
        else if (last > word)
            r = buffer_appendf(
                name, "%s%.*s", buffer_size(name) > 0 ? " " : "", (int)(last - word), word);
        at += at < end;
    }
    return r < 0 ? r : buffer_append(name, "", 1);
}

/* Of a field that names nobody who can be read: the address in it, or who is named instead. */
static int put_somebody(Mender *m, const HeaderField *field, const char *instead)
{
    char address[ADDRESS_MAX + 1];
    _cleanup_buffer_ Buffer name = {0};
    int r = find_address(field, address, &name);

    if (r < 0 || (!address[0] && !instead))
        return r;
    put_mailbox(&m->writer, buffer_data(&name), address[0] ? address : instead);
    return 1;
}

/* "Foo; Bar <a@x>": an address in <...>, and a name that only looks like another. */
static bool is_name_with_semicolon(const HeaderField *field)
{
    const char *end = field->value + field->n_value;
    const char *last = memrchr(field->value, ';', field->n_value);
    MailboxScanner s;

    if (!last || !memchr(last, '<', (size_t)(end - last)))
        return false;
    for (const char *at = field->value; at < last; at++)
        if (strchr("@\":<", *at))
            return false;
    mailbox_scanner_init(&s, last + 1, (size_t)(end - last - 1));
    return mailbox_scan_loosely(&s, NULL) == MAILBOX_ADDRESS && !s.gap &&
           mailbox_skip_blanks(&s, NULL) >= 0 && s.at == s.end;
}

/* All who are named there, but where one of them is no address: 1, or 0; or -ENOMEM. */
static int put_all(Mender *m, const HeaderField *field)
{
    int r;

    if (is_name_with_semicolon(field))
        return 0;
    r = address_list_parse(field->value, field->n_value, ADDRESS_ORIGINATORS, put_item, m, NULL);
    return r == -ENOMEM ? r : r == 0 && m->n > 0;
}

/* Writes one as others can read it. 1; 0: it stays as it is, or -ENOMEM. */
static int mend_originators(Mender *m, const HeaderField *field, const char *instead)
{
    const FieldOutput header = field_output(m->out);
    int r;

    if (!is_name_with_semicolon(field) && can_be_read(field))
        return 0;
    field_begin(&m->writer, &header, field->name, field->n_name);
    m->n = 0;
    r = put_all(m, field);
    if (r == 0) {
        buffer_clear(m->out);
        field_begin(&m->writer, &header, field->name, field->n_name);
        r = put_somebody(m, field, instead);
    }
    if (r > 0)
        r = field_end(&m->writer, "it", NULL) ?: 1;
    if (r <= 0)
        buffer_clear(m->out);
    return r == -EBADMSG ? 0 : r; /* nobody can write it */
}

static int mend_field(Mender *m, const HeaderField *field)
{
    switch (field->kind) {
    case FIELD_SENDER:
    case FIELD_RESENT_SENDER: return mend_originators(m, field, m->people->sender);
    case FIELD_FROM:
    case FIELD_RESENT_FROM: return mend_originators(m, field, m->people->author);
    case FIELD_REPLY_TO: return mend_originators(m, field, NULL);
    case FIELD_TO ... FIELD_BCC:
    case FIELD_RESENT_TO ... FIELD_RESENT_BCC: return mend_recipients(field, m->out);
    default: return 0;
    }
}

int message_mend_addresses(const char *data, size_t n, const MendPeople *people, Buffer *out)
{
    _cleanup_buffer_ Buffer mended = {0};
    Mender m = {.people = people, .out = &mended};
    const char *copied = data;
    HeaderField field;
    HeaderParts parts;
    int r = 0;

    (void)header_locate(data, n, true, &parts);
    while (r >= 0 && header_next(&parts.header, &field, NULL) > 0) {
        r = mend_field(&m, &field);
        if (r <= 0)
            continue;
        r = buffer_append(out, copied, (size_t)(field.name - copied));
        if (r >= 0)
            r = buffer_append(out, buffer_data(&mended), buffer_size(&mended));
        buffer_clear(&mended);
        copied = field.end;
    }
    return r < 0 ? r : buffer_append(out, copied, (size_t)(data + n - copied));
}
