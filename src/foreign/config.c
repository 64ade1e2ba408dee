/* Configurations of other mail systems: what all of them have in common. Must never print a
 * password, nor write a setting that means more than theirs did. */
#include "foreign/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "foreign/translation.h"

static const struct {
    const char *name, *path;
    int (*read)(Translation *t, const char *path, Failure *f);
} systems[] = {
    [FOREIGN_SYSTEM_NULLMAILER] = {"nullmailer", "/etc/nullmailer", config_read_nullmailer},
    [FOREIGN_SYSTEM_MSMTP] = {"msmtp", "/etc/msmtprc", config_read_msmtp},
    [FOREIGN_SYSTEM_SSMTP] = {"ssmtp", "/etc/ssmtp/ssmtp.conf", config_read_ssmtp},
    [FOREIGN_SYSTEM_DMA] = {"dma", "/etc/dma/dma.conf", config_read_dma},
    [FOREIGN_SYSTEM_POSTFIX] = {"postfix", "/etc/postfix/main.cf", config_read_postfix},
};

const char *foreign_system_name(ForeignSystem system)
{
    return system < FOREIGN_SYSTEM_MAX ? systems[system].name : NULL;
}

ForeignSystem foreign_system_find(const char *name)
{
    ForeignSystem system = 0;

    while (system < FOREIGN_SYSTEM_MAX && strcmp(systems[system].name, name) != 0)
        system++;
    return system;
}

const char *foreign_system_path(ForeignSystem system)
{
    return systems[system].path;
}

/* ---- words ---- */

static char *take_quoted(char **from, char *to)
{
    char quote = *(*from)++;

    for (; **from && **from != quote; ++*from) {
        if (quote == '"' && **from == '\\' && ((*from)[1] == '"' || (*from)[1] == '\\'))
            ++*from;
        *to++ = **from;
    }
    return **from ? (++*from, to) : NULL;
}

char *config_next_word(char **line)
{
    char *word, *to;

    *line += strspn(*line, " \t");
    if (!**line)
        return NULL;
    word = to = *line;
    while (to && **line && **line != ' ' && **line != '\t') {
        if (**line == '"' || **line == '\'') {
            to = take_quoted(line, to);
            continue;
        }
        if (**line == '\\' && (*line)[1])
            ++*line;
        *to++ = *(*line)++;
    }
    if (!to)
        return NULL;
    *line += **line != '\0';
    *to = '\0';
    return word;
}

bool config_is_yes(const char *value)
{
    static const char *const words[] = {"yes", "on", "true", "1"};

    for (size_t i = 0; value && i < ELEMENTSOF(words); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

/* ---- the text ---- */

static void keep(Translation *t, int r)
{
    t->is_short |= r < 0;
}

static const char *secret_name(size_t number, char ret[static 32])
{
    if (number == 1)
        return "password";
    snprintf(ret, 32, "password-%zu", number);
    return ret;
}

static int keep_secret(ForeignConfig *config, const char *file, char **secret)
{
    ForeignSecret *more =
        reallocarray(config->secrets, config->n_secrets + 1, sizeof(*config->secrets));

    if (!more)
        return -ENOMEM;
    config->secrets = more;
    more[config->n_secrets] = (ForeignSecret){.file = strdup(file), .text = TAKE_PTR(*secret)};
    config->n_secrets++;
    return more[config->n_secrets - 1].file ? 0 : -ENOMEM;
}

static void write_relay(
    Translation *t, TranslatedRelay *relay, const char *secrets, ForeignConfig *ret)
{
    char room[32];
    const char *file = secret_name(ret->n_secrets + 1, room);

    keep(t, buffer_append_string(&ret->text, "    {\n"));
    keep(
        t, buffer_append(&ret->text, buffer_data(&relay->settings), buffer_size(&relay->settings)));
    if (relay->secret) {
        keep(t, buffer_appendf(&ret->text, "        password_file = \"%s/%s\";\n", secrets, file));
        keep(t, keep_secret(ret, file, &relay->secret));
    }
    keep(t, buffer_append_string(&ret->text, "    }"));
}

static void write_local(Translation *t, Buffer *out)
{
    if (buffer_size(&t->local) == 0)
        return;
    keep(t, buffer_append_string(out, "\nlocal = {\n"));
    keep(t, buffer_append(out, buffer_data(&t->local), buffer_size(&t->local)));
    keep(t, buffer_append_string(out, "};\n"));
}

static void write_all(
    Translation *t, ForeignSystem system, const char *path, const char *secrets, ForeignConfig *ret)
{
    _cleanup_free_
    char *printable = text_printable_whole(path, strlen(path));

    keep(t, printable ? 0 : -ENOMEM);
    keep(t, buffer_appendf(
                &ret->text, "# What %s has in %s.\n", systems[system].name, printable ?: ""));
    keep(t, buffer_append(&ret->text, buffer_data(&t->notes), buffer_size(&t->notes)));
    keep(t, buffer_append_string(&ret->text, "\nrelays = (\n"));
    for (size_t i = 0; i < t->n_relays; i++) {
        write_relay(t, &t->relays[i], secrets, ret);
        keep(t, buffer_append_string(&ret->text, i + 1 < t->n_relays ? ",\n" : "\n"));
    }
    keep(t, buffer_append_string(&ret->text, ");\n"));
    write_local(t, &ret->text);
    translation_write_retry(t, &ret->text);
}

static int load(Translation *t, ForeignSystem system, const char *path, const char *secrets,
    ForeignConfig *ret, Failure *f)
{
    int r = systems[system].read(t, path, f);

    if (r < 0)
        return r;
    if (t->n_relays == 0)
        return failure_set(f, -ENOENT, ERROR_CONFIGURATION,
            "%s names no relay: outbox delivers by way of one, and never directly to the hosts of "
            "the recipients' domains",
            path);
    translation_name_relays(t);
    write_all(t, system, path, secrets, ret);
    return t->is_short ? failure_set_errno(f, -ENOMEM, "%s", path) : 0;
}

int foreign_config_load(ForeignSystem system, const char *path, const char *account,
    const char *secrets, ForeignConfig *ret, Failure *f)
{
    _cleanup_(translation_done) Translation t = {.source = path, .account = account};
    int r = load(&t, system, path, secrets, ret, f);

    if (r < 0) {
        foreign_config_done(ret);
        *ret = (ForeignConfig){0};
    }
    return r;
}

void foreign_config_done(ForeignConfig *config)
{
    for (size_t i = 0; i < config->n_secrets; i++) {
        free(config->secrets[i].file);
        if (config->secrets[i].text)
            explicit_bzero(config->secrets[i].text, strlen(config->secrets[i].text));
        free(config->secrets[i].text);
    }
    free(config->secrets);
    buffer_done(&config->text);
}
