/* Reading what this machine is called and who gets its mail. Must never keep a message from being
 * queued because of a rule that it does not need. */
#include "queue/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/hostname.h"
#include "base/text.h"
#include "settings/load.h"

#define MAILNAME_PATH "/etc/mailname"
#define DOMAIN_MAX 256

void local_done(Local *l)
{
    (void)config_unref(l->config);
    from_rules_free(l->from);
    aliases_free(l->aliases);
    free(l->domain);
    free(l->full);
}

/* The first word of /etc/mailname. NULL: there is none. */
static int read_mailname(char **ret)
{
    _cleanup_buffer_ Buffer text = {0};
    size_t n = 0;

    *ret = NULL;
    if (file_load(AT_FDCWD, MAILNAME_PATH, DOMAIN_MAX - 1, &text) < 0 || buffer_size(&text) == 0)
        return 0;
    while (n < buffer_size(&text) && (unsigned char)buffer_data(&text)[n] > ' ')
        n++;
    if (n == 0)
        return 0;
    *ret = strndup(buffer_data(&text), n);
    return *ret ? 0 : -ENOMEM;
}

/* What this host is called. 0 or -ENOMEM. */
static int find_host(Local *l, const Local *before)
{
    if (before && before->node[0]) {
        memcpy(l->node, before->node, sizeof(l->node));
        l->full = before->full ? strdup(before->full) : NULL;
        return before->full && !l->full ? -ENOMEM : 0;
    }
    if (gethostname(l->node, sizeof(l->node) - 1) < 0 || !l->node[0])
        strcpy(l->node, "localhost");
    return host_name_get(&l->full);
}

/* What a setting says, then the file, then what the host is called. 0 or -ENOMEM. */
static int find_domain(Local *l, const Local *before)
{
    const char *set = l->config->local.domain;
    int r = find_host(l, before);

    if (r >= 0 && !set)
        r = read_mailname(&l->domain);
    if (r < 0)
        return r;
    l->is_known = set || (l->domain ? host_name_is_usable(l->domain) : l->full != NULL);
    if (!l->domain)
        l->domain = strdup(set ?: l->full ?: l->node);
    return l->domain ? 0 : -ENOMEM;
}

/* Never waits for who may write to it. 0 or a negative errno. */
static int load(const char *path, Buffer *out)
{
    _cleanup_close_ int fd = file_open(AT_FDCWD, path, FILE_NO_PIPE);

    return fd < 0 ? fd : file_read_all(fd, ALIASES_MAX, out);
}

static int include(_unused_ void *user, const char *path, Buffer *out, Failure *f)
{
    int r = load(path, out);

    if (r >= 0 || r == -ENOMEM)
        return MIN(r, 0);
    return failure_set(f, -EINVAL, ERROR_FILE,
        "the file of aliases includes %s, which cannot be read: %s; correct the line, or mend that",
        path,
        r == -EFBIG    ? "it is larger than 4 MiB"
        : r == -EISDIR ? "it is a directory"
                       : file_trouble(r));
}

/* What cannot be read is told to whom it keeps from being understood. 0 or -ENOMEM. */
static int read_aliases(Local *l)
{
    const char *path = l->config->local.aliases;
    _cleanup_buffer_ Buffer text = {0};
    int r = path ? load(path, &text) : -ENOENT;

    if (r == -ENOENT)
        return 0;
    if (r >= 0)
        r = aliases_parse(buffer_data(&text), buffer_size(&text), &l->aliases);
    if (r >= 0 || r == -ENOMEM)
        return r;
    l->unread = r == -EFBIG ? "it is larger than 4 MiB" : file_trouble(r);
    return 0;
}

/* 0, -EBADMSG with a Failure, or -ENOMEM. */
static int read_from(Local *l, Failure *f)
{
    const char *text = l->config->local.rewrite_from;
    _cleanup_failure_ Failure why = {0};
    int r = text ? from_rules_parse(text, &l->from, &why) : 0;

    return r == -EINVAL
               ? failure_set(f, -EBADMSG, ERROR_CONFIGURATION,
                     "the setting local.rewrite_from, \"%s\", %s", text, failure_text(&why))
               : r;
}

static void set_names(Local *l)
{
    const LocalConfig *config = &l->config->local;
    size_t n = 0;

    l->own[n++] = "localhost";
    l->own[n++] = "localhost.localdomain";
    l->own[n++] = l->node;
    if (l->full)
        l->own[n++] = l->full;
    l->own[n] = NULL;
    l->names = (LocalNames){
        .aliases = l->aliases,
        .path = config->aliases ?: "local.aliases, which is not set",
        .unread = l->unread,
        .root = config->root,
        .domain = l->is_known ? l->domain : NULL,
        .here = l->domain,
        .own = l->own,
        .include = config->alias_includes ? include : NULL,
    };
}

int local_open(const char *config_path, Local *ret, Failure *f)
{
    return local_open_again(config_path, NULL, ret, f);
}

int local_open_again(const char *config_path, const Local *before, Local *ret, Failure *f)
{
    const char *none[] = {NULL};
    int r;

    *ret = (Local){0};
    r = config_load_local(config_path, none, &ret->config, f);
    if (r < 0)
        return r;
    r = find_domain(ret, before);
    if (r >= 0)
        r = read_aliases(ret);
    if (r >= 0)
        r = read_from(ret, f);
    if (r == -EBADMSG)
        return r;
    if (r < 0)
        return failure_set_errno(f, r, "cannot read the rules for names of this machine");
    set_names(ret);
    return r;
}

int local_check(const Local *l, Failure *f)
{
    _cleanup_failure_ Failure lines = {0}, rules = {0};
    int r = l->aliases ? aliases_check(l->aliases, &lines) : 0;

    if (r >= 0 || r == -EBADMSG)
        r = MIN(local_names_check(&l->names, &rules), r);
    if (r == -ENOMEM)
        return r;
    if (!lines.text || !rules.text)
        return lines.text || rules.text
                   ? failure_set(f, -EBADMSG, ERROR_CONFIGURATION, "%s", lines.text ?: rules.text)
                   : r;
    return failure_set(f, -EBADMSG, ERROR_CONFIGURATION, "%s\n%s", lines.text, rules.text);
}
