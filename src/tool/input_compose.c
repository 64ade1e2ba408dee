/* Composing the message of `queue` and `send` from their options. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/address.h"
#include "settings/load.h"
#include "tool/input.h"

#define HEADERS_MAX ((size_t)16 * 1024 * 1024)

/* What composing needs beside the options. */
typedef struct Parts {
    Buffer header_lines;
    const char **to, **headers;
    InputPerson *people;
    ComposeRecipient *recipients;
    size_t n_people;
    Config *config;
} Parts;

static void parts_done(Parts *parts)
{
    for (size_t i = 0; i < parts->n_people; i++)
        input_person_done(&parts->people[i]);
    buffer_done(&parts->header_lines);
    free(parts->to);
    free(parts->headers);
    free(parts->people);
    free(parts->recipients);
    (void)config_unref(parts->config);
}

/* ---- one recipient ---- */

static int fail_person(const char *text, const char *why, Failure *f)
{
    return failure_set(f, -EBADMSG, ERROR_MESSAGE, "recipient \"%s\": %s", text, why);
}

static int read_kind(const char **text, ComposeKind *ret)
{
    static const char *const kinds[] = {"to", "cc", "bcc"};
    const char *at = *text + strspn(*text, " \t");
    size_t n = strcspn(at, ": \t"), gap = strspn(at + n, " \t");

    for (ComposeKind kind = COMPOSE_TO; kind <= COMPOSE_BCC; kind++)
        if (at[n + gap] == ':' && n == strlen(kinds[kind]) && text_starts_nocase(at, kinds[kind])) {
            *ret = kind;
            *text = at + n + gap + 1;
            return 0;
        }
    return -EBADMSG;
}

/* The display name of the first mailbox. */
static int take_name(void *user, const AddressItem *item)
{
    _cleanup_buffer_ Buffer name = {0};
    char **ret = user;
    int r = item->kind == ADDRESS_MAILBOX && !*ret ? address_append_name(item, &name) : 0;

    if (r >= 0)
        r = buffer_append(&name, "", 1);
    if (r >= 0 && !*ret)
        *ret = strdup(buffer_data(&name));
    return r < 0 || !*ret ? -ENOMEM : 0;
}

int input_person_read(InputPerson *person, const char *text, Failure *f)
{
    const char *rest = text, *end;
    int r;

    if (read_kind(&rest, &person->kind) < 0)
        return fail_person(text, "it begins with its kind, to:, cc: or bcc:", f);
    r = envelope_parse_field(rest, strlen(rest), &person->address, &person->options, f);
    if (r >= 0)
        r = envelope_check_spelling(person->options, ENVELOPE_RECIPIENT, f);
    if (r == -EINVAL)
        return failure_prefix(f, -EBADMSG, "recipient");
    end = r >= 0 ? strrchr(rest, '>') : NULL;
    if (r >= 0 && end)
        r = address_list_parse(
            rest, (size_t)(end + 1 - rest), ADDRESS_RECIPIENTS, take_name, &person->name, f);
    return r == -EINVAL ? failure_prefix(f, -EBADMSG, "recipient") : r;
}

void input_person_done(InputPerson *person)
{
    free(person->address);
    free(person->options);
    free(person->name);
}

static int gather_people(const ToolInput *input, Parts *parts, Failure *f)
{
    size_t n = input->recipients.n;
    int r = 0;

    parts->people = calloc(n + 1, sizeof(InputPerson));
    parts->recipients = calloc(n + 1, sizeof(ComposeRecipient));
    if (!parts->people || !parts->recipients)
        return -ENOMEM;
    for (size_t i = 0; i < n && r >= 0; i++) {
        InputPerson *person = &parts->people[parts->n_people++];

        r = input_person_read(person, input->recipients.items[i], f);
        parts->recipients[i] = (ComposeRecipient){.kind = person->kind,
            .address = person->address,
            .name = person->name,
            .options = person->options};
    }
    return r;
}

/* ---- the rest of the options ---- */

/* The file's text, or, for "-", that of standard input, with a NUL behind it. */
static int load_headers(const char *path, Buffer *out, Failure *f)
{
    bool is_file = strcmp(path, "-") != 0;
    int r = is_file ? file_load(AT_FDCWD, path, HEADERS_MAX, out)
                    : file_read_all(STDIN_FILENO, HEADERS_MAX, out);

    if (r < 0)
        return failure_set_errno(f, r, "cannot read %s", is_file ? path : "standard input");
    if (buffer_size(out) > 0 && memchr(buffer_data(out), '\0', buffer_size(out)))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s is no header: it holds a NUL byte",
            is_file ? path : "standard input");
    return buffer_append(out, "", 1);
}

/* The header fields of the options and behind them those of the file, whose empty first line counts
 * where it is the first of all. */
static int gather_headers(const ToolInput *input, Parts *parts, Failure *f)
{
    _cleanup_free_
    const char **lines = NULL;
    size_t n = input->headers.n, n_lines = 0;
    char *text;
    int r;

    r = input->headers_file ? load_headers(input->headers_file, &parts->header_lines, f) : 0;
    if (r >= 0 && input->headers_file) {
        text = parts->header_lines.memory + parts->header_lines.start;
        if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
            text += 3; /* the mark that some editors put before UTF-8 */
        r = compose_split_headers(text, &lines);
    }
    if (r < 0)
        return r;
    while (lines && lines[n_lines])
        n_lines++;
    parts->headers = calloc(n + n_lines + 1, sizeof(char *));
    if (!parts->headers)
        return -ENOMEM;
    if (n > 0)
        memcpy(parts->headers, input->headers.items, n * sizeof(char *));
    for (size_t i = 0; i < n_lines; i++)
        if (*lines[i] || n == 0)
            parts->headers[n++] = lines[i];
    return 0;
}

/* --to and the recipients behind the options. */
static int gather_recipients(const ToolInput *input, char **recipients, Parts *parts)
{
    size_t n = 0, own = input->to.n;

    while (recipients[n])
        n++;
    parts->to = calloc(own + n + 1, sizeof(char *));
    if (!parts->to)
        return -ENOMEM;
    if (own > 0)
        memcpy(parts->to, input->to.items, own * sizeof(char *));
    memcpy(parts->to + own, recipients, n * sizeof(char *));
    return 0;
}

/* How the header is written: as options say, else as the configuration. */
static int gather_style(const ToolInput *input, Parts *parts, ComposeStyle *ret, Failure *f)
{
    const char *const *set = input->tool->overrides;
    _cleanup_free_
    const char **overrides = NULL;
    const MessageConfig *config;
    size_t n = 0;
    int r;

    while (set && set[n])
        n++;
    overrides = calloc(n + input->styles.n + 1, sizeof(char *));
    if (!overrides)
        return -ENOMEM;
    if (n > 0)
        memcpy(overrides, set, n * sizeof(char *));
    if (input->styles.n > 0)
        memcpy(overrides + n, input->styles.items, input->styles.n * sizeof(char *));
    r = config_load_message(input->tool->config_path, overrides, &parts->config, f);
    if (r < 0)
        return r;
    config = &parts->config->message;
    *ret = (ComposeStyle){
        .charset = config->charset,
        .unfolded = !config->fold_headers,
        .max_header_length = config->max_header_length,
        .allow_empty_to = config->allow_empty_to,
        .message_id_algorithm = config->message_id_algorithm,
    };
    return 0;
}

static ComposeSource text_source(const char *text, const char *file)
{
    if (text)
        return compose_text(text);
    return file ? input_source(file) : (ComposeSource){0};
}

static int gather(const ToolInput *input, char **recipients, Parts *parts, Compose *c, Failure *f)
{
    int r = gather_recipients(input, recipients, parts);

    if (r >= 0)
        r = gather_people(input, parts, f);
    if (r >= 0)
        r = gather_headers(input, parts, f);
    if (r >= 0)
        r = gather_style(input, parts, &c->style, f);
    c->to = parts->to;
    c->cc = input->cc.items;
    c->bcc = input->bcc.items;
    c->recipients = parts->recipients;
    c->n_recipients = parts->n_people;
    c->headers = parts->headers;
    c->body = text_source(input->body, input->body_file);
    c->html = text_source(input->html, input->html_file);
    if (c->body.origin == COMPOSE_NOTHING && c->html.origin == COMPOSE_NOTHING)
        c->body = input_source("-");
    c->parts = input->parts;
    c->n_parts = input->n_parts;
    c->now = clock_realtime();
    return r;
}

static bool is_standard_input(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

/* Of two options that both give the text, or read standard input, one would win unseen. */
static int check_options(const ToolInput *input, const Command *command)
{
    unsigned readers = is_standard_input(input->body_file) + is_standard_input(input->html_file) +
                       is_standard_input(input->headers_file);

    if (input->body && input->body_file)
        return tool_usage(command, "--body and --body-file both give the text; give one");
    if (input->html && input->html_file)
        return tool_usage(command, "--html and --html-file both give the HTML text; give one");
    for (size_t i = 0; i < input->n_parts; i++)
        readers += input->parts[i].source.origin == COMPOSE_DESCRIPTOR;
    readers += !input->body && !input->body_file && !input->html && !input->html_file;
    if (readers > 1)
        return tool_usage(command, "standard input can be one thing only: the text (which it is "
                                   "without --body and --body-file), the HTML, the headers or one "
                                   "file");
    return 0;
}

static int read_composed(void *composed, Buffer *out, Failure *f)
{
    return composed_read(composed, MESSAGE_HEADER_MAX, out, f);
}

/* The files are read while the message is written: only its start, which is looked at before, is in
 * memory. */
static int open_composed(const Compose *compose, Buffer *ret_start, InputRest *ret_rest, Failure *f)
{
    _cleanup_(composed_free_p) Composed *composed = NULL;
    int r = compose_open(compose, &composed, f);

    if (r >= 0)
        r = message_read_start(read_composed, composed, ret_start, f);
    if (r > 0)
        ret_rest->composed = TAKE_PTR(composed);
    return r;
}

int input_compose(const ToolInput *input, const Command *command, char **recipients,
    Buffer *ret_start, InputRest *ret_rest)
{
    _cleanup_(parts_done) Parts parts = {0};
    _cleanup_failure_ Failure f = {0};
    Compose compose = input->compose;
    int r = check_options(input, command);

    if (r != 0)
        return r;
    r = gather(input, recipients, &parts, &compose, &f);
    if (r >= 0)
        r = open_composed(&compose, ret_start, ret_rest, &f);
    if (r == -ENOMEM)
        return tool_fail_memory();
    return r < 0 ? tool_fail(&f) : 0;
}
