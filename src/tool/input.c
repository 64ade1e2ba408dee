/* Reading or composing the message of `queue` and `send`. Must never hold a large message in
 * memory: what is read whole is streamed. */
#include "tool/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/address.h"
#include "message/message.h"

#define TEXT_FILE_MAX (256 * 1024 * 1024)

/* A list of strings that the command line bounds: argc entries are always enough. */
typedef struct Words {
    const char **items;
    size_t n;
} Words;

struct Input {
    Compose compose;
    Words to, cc, bcc, headers, attachments;
    const char *raw; /* --raw */
    Buffer body, header_lines;
    bool composes;
};

static int words_init(Words *words, int argc)
{
    words->items = calloc((size_t)argc + 1, sizeof(char *));
    return words->items ? 0 : -ENOMEM;
}

static void words_add(Words *words, const char *word)
{
    words->items[words->n++] = word;
}

int input_new(int argc, Input **ret)
{
    _cleanup_(input_free_p) Input *input = calloc(1, sizeof(Input));

    if (!input || words_init(&input->to, argc) < 0 || words_init(&input->cc, argc) < 0 ||
        words_init(&input->bcc, argc) < 0 || words_init(&input->headers, argc) < 0 ||
        words_init(&input->attachments, argc) < 0)
        return -ENOMEM;
    *ret = TAKE_PTR(input);
    return 0;
}

void input_free(Input *input)
{
    if (!input)
        return;
    free(input->to.items);
    free(input->cc.items);
    free(input->bcc.items);
    free(input->headers.items);
    free(input->attachments.items);
    buffer_done(&input->body);
    buffer_done(&input->header_lines);
    free(input);
}

static int load_text(const char *path, Buffer *out)
{
    int r = strcmp(path, "-") == 0 ? file_read_all(STDIN_FILENO, TEXT_FILE_MAX, out)
                                   : file_load(AT_FDCWD, path, TEXT_FILE_MAX, out);

    if (r >= 0)
        r = buffer_append(out, "", 1);
    if (r < 0)
        return tool_fail_number(ERROR_FILE, "cannot read %s: %s", path, strerror(-r));
    return 0;
}

/* One header field a line; the lines are borrowed from the buffer. */
static int load_headers(Input *input, const char *path)
{
    size_t lines = 0;
    const char **items;
    int status = load_text(path, &input->header_lines);
    char *save, *line;

    if (status != 0)
        return status;
    for (const char *c = buffer_data(&input->header_lines); *c; c++)
        lines += *c == '\n';
    items = realloc(input->headers.items, (input->headers.n + lines + 3) * sizeof(char *));
    if (!items)
        return tool_fail_number(ERROR_MEMORY, "no memory is left");
    input->headers.items = items;
    line = strtok_r(input->header_lines.memory + input->header_lines.start, "\r\n", &save);
    for (; line; line = strtok_r(NULL, "\r\n", &save))
        words_add(&input->headers, line);
    input->headers.items[input->headers.n] = NULL;
    return 0;
}

static int take_choice(const Command *command, const char *option, const char *value,
    const char *const *choices, const char **ret)
{
    for (; *choices; choices++)
        if (text_equal_nocase(*choices, value)) {
            *ret = *choices;
            return 0;
        }
    return tool_usage(command, "--%s knows no '%s'", option, value);
}

int input_option(Input *input, const Command *command, int option, const char *value)
{
    static const char *const importances[] = {"high", "normal", "low", NULL};
    static const char *const priorities[] = {"normal", "urgent", "non-urgent", NULL};
    static const char *const sensitivities[] = {
        "personal", "private", "company-confidential", NULL};
    Compose *c = &input->compose;

    input->composes = input->composes || option != INPUT_RAW;
    switch (option) {
    case INPUT_FROM: c->from = value; return 0;
    case INPUT_TO: words_add(&input->to, value); return 0;
    case INPUT_CC: words_add(&input->cc, value); return 0;
    case INPUT_BCC: words_add(&input->bcc, value); return 0;
    case INPUT_SUBJECT: c->subject = value; return 0;
    case INPUT_BODY: c->body = value; return 0;
    case INPUT_BODY_FILE: return load_text(value, &input->body);
    case INPUT_ATTACH: words_add(&input->attachments, value); return 0;
    case INPUT_HEADER: words_add(&input->headers, value); return 0;
    case INPUT_HEADERS_FILE: return load_headers(input, value);
    case INPUT_REPLY_TO: c->reply_to = value; return 0;
    case INPUT_RETURN_PATH: c->return_path = value; return 0;
    case INPUT_DATE: c->date = value; return 0;
    case INPUT_MESSAGE_ID: c->message_id = value; return 0;
    case INPUT_DELIVERY_NOTIFICATION_TO: c->delivery_notification_to = value; return 0;
    case INPUT_READ_RECEIPT_TO: c->read_receipt_to = value; return 0;
    case INPUT_IMPORTANCE:
        return take_choice(command, "importance", value, importances, &c->importance);
    case INPUT_PRIORITY: return take_choice(command, "priority", value, priorities, &c->priority);
    case INPUT_SENSITIVITY:
        return take_choice(command, "sensitivity", value, sensitivities, &c->sensitivity);
    case INPUT_RAW: input->raw = value; return 0;
    default: return EX_USAGE; /* the option has been complained about */
    }
}

static int compose(Input *input, char **recipients, Buffer *ret_start)
{
    _cleanup_failure_ Failure f = {0};
    Compose *c = &input->compose;

    for (; *recipients; recipients++)
        words_add(&input->to, *recipients);
    c->to = input->to.items;
    c->cc = input->cc.items;
    c->bcc = input->bcc.items;
    c->headers = input->headers.items;
    c->attachments = input->attachments.items;
    c->now = clock_realtime();
    if (buffer_size(&input->body) > 0)
        c->body = buffer_data(&input->body);
    return compose_message(c, ret_start, &f) < 0 ? tool_fail(&f) : 0;
}

static int append_receiver(void *user, const char *address, size_t n)
{
    return buffer_appendf(user, "X-Receiver: <%.*s>\n", (int)n, address);
}

static int append_receivers(Buffer *out, const char *list, Failure *f)
{
    return address_list_parse(list, strlen(list), append_receiver, out, f);
}

/* The envelope that the command line gives for a whole message, in front of it. */
static int envelope_block(const Input *input, char **recipients, Buffer *out)
{
    _cleanup_failure_ Failure f = {0};
    int r = 0;

    if (input->compose.from)
        r = buffer_appendf(out, "X-Sender: %s\n", input->compose.from);
    for (; r >= 0 && *recipients; recipients++)
        r = append_receivers(out, *recipients, &f);
    for (size_t i = 0; r >= 0 && i < input->to.n; i++)
        r = append_receivers(out, input->to.items[i], &f);
    if (r < 0)
        return f.number ? tool_fail(&f) : tool_fail_number(ERROR_MEMORY, "no memory is left");
    return 0;
}

/* The message's own envelope fields of that name in its leading block give way to those of the
 * command line. Returns how many bytes at the start of `text` to leave out when the line there is
 * one. */
static size_t field_length(const char *text, size_t n, const char *name)
{
    size_t length;
    const char *end;

    if (n < strlen(name) || strncasecmp(text, name, strlen(name)) != 0)
        return 0;
    for (length = 0; length < n;) {
        end = memchr(text + length, '\n', n - length);
        length = end ? (size_t)(end - text) + 1 : n;
        if (length == n || (text[length] != ' ' && text[length] != '\t'))
            break;
    }
    return length;
}

static int append_without(Buffer *out, const Buffer *message, const char *name)
{
    const char *text = buffer_data(message);
    size_t n = buffer_size(message), at = 0;
    int r = 0;

    while (r >= 0 && at < n && strncasecmp(text + at, "X-", MIN((size_t)2, n - at)) == 0) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t skip = field_length(text + at, n - at, name),
               line = end ? (size_t)(end - text) + 1 - at : n - at;

        if (skip == 0)
            r = buffer_append(out, text + at, line);
        at += skip > 0 ? skip : line;
    }
    return r < 0 ? r : buffer_append(out, text + at, n - at);
}

/* Fills `out` up to where a whole header must have ended. */
static int read_start(FILE *file, Buffer *out)
{
    char *to = buffer_reserve(out, MESSAGE_HEADER_MAX);
    size_t n;

    if (!to)
        return -ENOMEM;
    n = fread(to, 1, MESSAGE_HEADER_MAX, file);
    buffer_commit(out, n);
    return ferror(file) ? -EIO : 0;
}

static int open_whole(Input *input, char **recipients, Buffer *ret_start, FILE **ret_rest)
{
    const char *path = input->raw ?: "standard input";
    _cleanup_buffer_ Buffer start = {0};
    FILE *file = input->raw ? fopen(input->raw, "re") : stdin;
    int r, status;

    if (!file)
        return tool_fail_number(ERROR_FILE, "cannot open %s: %s", path, strerror(errno));
    *ret_rest = file;
    r = read_start(file, &start);
    if (r < 0)
        return tool_fail_number(ERROR_FILE, "cannot read %s: %s", path, strerror(-r));
    status = envelope_block(input, recipients, ret_start);
    if (status != 0)
        return status;
    r = append_without(ret_start, &start,
        *recipients || input->to.n > 0 ? "X-Receiver:"
        : input->compose.from          ? "X-Sender:"
                                       : "\n");
    return r < 0 ? tool_fail_number(ERROR_MEMORY, "no memory is left") : 0;
}

/* Looks at the start as the daemon will at the whole, so that who queues garbage hears it at once.
 */
static int check(const Buffer *start)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_close_ int fd = memfd_create("message", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : file_write_all(fd, buffer_data(start), buffer_size(start));

    if (r < 0)
        return tool_fail_number(ERROR_MEMORY, "cannot look at the message: %s", strerror(-r));
    r = message_open(fd, buffer_size(start), clock_realtime(), "new", &message, &f);
    return r < 0 ? tool_fail(&f) : 0;
}

int input_open(
    Input *input, const Command *command, char **recipients, Buffer *ret_start, FILE **ret_rest)
{
    int status;

    *ret_rest = NULL;
    if (input->raw && (input->compose.subject || input->compose.body || input->attachments.n > 0 ||
                          input->headers.n > 0))
        return tool_usage(command, "--raw takes a whole message: of the composing options only "
                                   "--from and --to go with it");
    if (input->composes && !input->raw)
        status = compose(input, recipients, ret_start);
    else
        status = open_whole(input, recipients, ret_start, ret_rest);
    return status != 0 ? status : check(ret_start);
}
