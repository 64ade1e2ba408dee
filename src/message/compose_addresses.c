/* Fields of addresses: each list is read by the one scanner of addresses, and written anew. Must
 * never write an address that the scanner has not handed out. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "base/text.h"
#include "message/address.h"
#include "message/compose_field.h"
#include "message/field_syntax.h"
#include "message/field_text.h"

typedef struct ListWriter {
    FieldWriter field;
    const char *what;
    bool originators, single; /* as of FieldRule */
    Failure *failure;
    const char *literal; /* a name as it is to be read, and not as it stands in a list; or NULL */
    bool any;            /* an element was written, behind which a comma is wanted */
    Buffer piece;        /* the last one, which is written when it is known what follows it */
} ListWriter;

static void list_writer_done(ListWriter *l)
{
    buffer_done(&l->piece);
}

/* Writes what was held back, with `end` behind it. */
static int flush_piece(ListWriter *l, const char *end)
{
    int r = buffer_size(&l->piece) > 0 ? buffer_append_string(&l->piece, end) : 0;

    if (r >= 0 && buffer_size(&l->piece) > 0)
        field_put(&l->field, " ", 1, buffer_data(&l->piece), buffer_size(&l->piece));
    buffer_clear(&l->piece);
    return r;
}

/* The address, its domain in ASCII: only a local part is a reason for other characters in a header
 * (RFC 6532). */
static int append_address(ListWriter *l, const AddressItem *item)
{
    const char *at = strrchr(item->address, '@');
    size_t n_local = at ? (size_t)(at + 1 - item->address) : item->n_address;
    _cleanup_free_
    char *domain = NULL;
    int r = domain_to_ascii(at ? at + 1 : "", &domain);

    if (r == -EINVAL || r == -ELIBACC)
        return failure_set(l->failure, -EBADMSG, ERROR_MESSAGE, "%s: \"%s\" %s", l->what, at + 1,
            domain_trouble(r));
    if (r < 0)
        return r;
    l->field.utf8 |= !text_is_ascii(item->address, n_local);
    return buffer_appendf(&l->piece, "%.*s%s", (int)n_local, item->address, domain);
}

/* A name that says what it says: what looks like an encoded word in it is text. */
static int put_literal(ListWriter *l)
{
    size_t n = strlen(l->literal);

    if (l->literal[strspn(l->literal, " \t")] == '\0')
        return 0;
    if (strstr(l->literal, "=?"))
        field_put_encoded(&l->field, l->literal, n);
    else
        field_put_phrase(&l->field, l->literal, n);
    return 1;
}

static int put_mailbox(ListWriter *l, const AddressItem *item)
{
    int named, r;

    if (item->gap)
        return failure_set(l->failure, -EBADMSG, ERROR_MESSAGE,
            "%s: \"%s\" has no domain; write it out, and put names with commas in double quotes",
            l->what, item->address);
    if (item->name && l->literal)
        named = put_literal(l);
    else
        named = item->name ? compose_put_name(&l->field, item->name, item->n_name) : 0;
    r = MIN(named, 0);
    if (r >= 0 && named > 0)
        r = buffer_append(&l->piece, "<", 1);
    if (r >= 0)
        r = append_address(l, item);
    if (r >= 0 && named > 0)
        r = buffer_append(&l->piece, ">", 1);
    return r;
}

static int put_group(ListWriter *l, const AddressItem *item)
{
    int r;

    if (l->originators)
        return failure_set(l->failure, -EBADMSG, ERROR_MESSAGE,
            "%s: a colon makes a group of a name, and a group cannot stand here; put the name in "
            "double "
            "quotes",
            l->what);
    r = compose_put_name(&l->field, item->name, item->n_name);

    field_put_glued(&l->field, ":");
    l->any = false; /* no comma behind it */
    return MIN(r, 0);
}

static int put_item(void *user, const AddressItem *item)
{
    ListWriter *l = user;
    int r = 0;

    if (item->kind == ADDRESS_GROUP_END) {
        if (buffer_size(&l->piece) == 0)
            field_put_glued(&l->field, ";");
        else
            r = buffer_append_string(&l->piece, ";");
        l->any = true;
        return r;
    }
    if (l->any && l->single)
        return failure_set(l->failure, -EBADMSG, ERROR_MESSAGE,
            "%s: only one address is allowed here; give one", l->what);
    if (l->any && buffer_size(&l->piece) == 0)
        field_put_glued(&l->field, ",");
    r = flush_piece(l, l->any ? "," : "");
    l->any = true;
    if (r < 0)
        return r;
    return item->kind == ADDRESS_GROUP ? put_group(l, item) : put_mailbox(l, item);
}

/* Whether there is anything but separators in it. */
static bool is_empty(const char *list)
{
    return list[strspn(list, " \t,")] == '\0';
}

/* One list: its addresses become recipients, and it is written where there is a field. */
static int put_list(const char *what, const char *text, ListWriter *l, Envelope *e, Failure *f)
{
    size_t n = strlen(text);
    int r = compose_check_text(what, text, f);

    if (r < 0)
        return r;
    if (e)
        r = envelope_add_list(e, text, n, NULL, f);
    if (r >= 0 && l)
        r = address_list_parse(
            text, n, l->originators ? ADDRESS_ORIGINATORS : ADDRESS_RECIPIENTS, put_item, l, f);
    return r == -EINVAL ? failure_prefix(f, -EBADMSG, what) : r;
}

/* ---- recipients one by one ---- */

/* "NOTIFY SUCCESS,FAILURE", as the component has it, is NOTIFY=... Empty where there is none. */
static int read_options(const char *text, Buffer *out)
{
    size_t n = strcspn(text, " =");
    bool lacks_sign = text[n] == ' ' && !strchr(text, '=');
    int r = buffer_append_string(out, text);

    if (r >= 0)
        r = buffer_append(out, "", 1);
    if (r >= 0 && lacks_sign)
        out->memory[out->start + n] = '=';
    return r;
}

static int add_recipient(
    const ComposeRecipient *person, const char *address, Envelope *e, Failure *f)
{
    const char *text = person->options ?: "";
    _cleanup_buffer_ Buffer options = {0};
    int r = read_options(text + strspn(text, " "), &options);

    if (r < 0)
        return r;
    return envelope_add_recipient(
        e, address, *buffer_data(&options) ? buffer_data(&options) : NULL, f);
}

/* One that is given in parts, as it would stand in a list. */
static int put_person(
    const char *what, const ComposeRecipient *person, ListWriter *l, Envelope *e, Failure *f)
{
    const char *address = person->address ?: "", *name = person->name ?: "";
    size_t n = strlen(address);
    bool in_angles = n > 1 && address[0] == '<' && address[n - 1] == '>';
    _cleanup_free_
    char *bare = strndup(address + in_angles, n - 2 * in_angles);
    int r = compose_check_text(what, name, f);

    if (!bare)
        return -ENOMEM;
    if (r >= 0)
        r = address_check(bare, strlen(bare), false, f);
    if (r >= 0 && e)
        r = add_recipient(person, bare, e, f);
    if (r >= 0 && l) {
        l->literal = name;
        r = put_item(l, &(AddressItem){.kind = ADDRESS_MAILBOX,
                            .address = bare,
                            .n_address = strlen(bare),
                            .name = *name ? name : NULL,
                            .n_name = strlen(name)});
        l->literal = NULL;
    }
    return r == -EINVAL ? failure_prefix(f, -EBADMSG, what) : r;
}

/* ---- a field ---- */

static void begin_field(ListWriter *l, bool *begun, const FieldOutput *out, const char *name)
{
    if (!*begun)
        field_begin(&l->field, out, name, strlen(name));
    *begun = true;
}

int compose_put_addresses(const char *what, const char *name, const char *const *lists,
    const People *people, Envelope *e, const FieldOutput *out, Failure *f)
{
    const FieldRule *rule = field_rule(name ?: "", name ? strlen(name) : 0);
    _cleanup_(list_writer_done) ListWriter l = {
        .what = what, .originators = rule->originators, .single = rule->single, .failure = f};
    bool begun = !name;
    int r = 0;

    for (; lists && *lists && r >= 0; lists++) {
        if (is_empty(*lists))
            continue;
        begin_field(&l, &begun, out, name);
        r = put_list(what, *lists, name ? &l : NULL, e, f);
    }
    for (size_t i = 0; people && i < people->n && r >= 0; i++) {
        if (people->items[i].kind != people->kind)
            continue;
        begin_field(&l, &begun, out, name);
        r = put_person(what, &people->items[i], name ? &l : NULL, e, f);
    }
    if (r >= 0 && name && begun)
        r = flush_piece(&l, "");
    return r < 0 || !name || !begun ? r : field_end(&l.field, what, f);
}
