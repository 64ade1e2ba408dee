/* The steps from a file to a Config. Must never hand out a Config with a mistake in it. */
#include "settings/load.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "settings/check.h"
#include "settings/draft.h"
#include "settings/override.h"
#include "settings/read.h"
#include "settings/source.h"

/* What is done with the text. */
typedef struct Way {
    const char *const *overrides;
    bool is_program; /* the overrides are a program's, and may be secrets */
    bool by_values;  /* each setting is looked at alone */
    bool only_section;
    const Setting *only, *beside,
        *aside; /* as in a draft; NULL: all, their combinations and files, too */
} Way;

/* `path` NULL: not from a file. */
static int make(const Source *source, const char *path, const Way *way, Draft *draft)
{
    _cleanup_free_
    char *directory = NULL;
    const char *slash = path ? strrchr(path, '/') : NULL;
    int r = draft_init(draft);

    draft->is_program = way->is_program;
    draft->only = way->only;
    draft->only_section = way->only_section;
    draft->beside = way->beside;
    draft->aside = way->aside;
    if (r == 0 && path && !(draft->config->path = strdup(path)))
        r = -ENOMEM;
    if (r == 0 && slash) {
        directory = strndup(path, (size_t)(slash - path));
        draft->directory = directory;
        r = directory ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = source->n_files > 0 ? read_settings(draft, source) : 1;
    /* What goes with a text that cannot be read cannot be judged beside it. */
    if (r == 0 && !way->only) {
        draft->directory = NULL;
        return 0;
    }
    if (r >= 0)
        r = override_settings(draft, way->overrides);
    if (r == 0 && !way->only && !way->by_values)
        r = check_settings(draft);
    draft->directory = NULL;
    return r;
}

/* A source without a file stands for the defaults alone. */
static int load(const Source *source, const char *path, const Way *way, Config **ret, Failure *f)
{
    _cleanup_draft_ Draft draft = {0};
    int r = make(source, path, way, &draft);

    if (r < 0)
        return failure_set_errno(f, r, "cannot load the configuration");
    if (draft.n_mistakes > 0)
        return failure_set(f, -EBADMSG, draft_number(&draft), "%.*s",
            (int)buffer_size(&draft.mistakes), buffer_data(&draft.mistakes));
    if (buffer_size(&draft.notices) > 0)
        draft.config->notices = strndup(buffer_data(&draft.notices), buffer_size(&draft.notices));
    if (buffer_size(&draft.notices) > 0 && !draft.config->notices)
        return failure_set_errno(f, -ENOMEM, "cannot load the configuration");
    *ret = TAKE_PTR(draft.config);
    return 0;
}

/* Whether there is no file and none was named. */
static bool is_absent(const char *path)
{
    return !path && access(SETTINGS_DEFAULT_PATH, F_OK) < 0 && errno == ENOENT;
}

int config_load(const char *path, const char *const *overrides, Config **ret, Failure *f)
{
    const Way way = {.overrides = overrides};
    _cleanup_source_ Source source = {0};
    const char *file = path ?: SETTINGS_DEFAULT_PATH;
    int r;

    if (overrides && *overrides && is_absent(path))
        return load(&source, NULL, &way, ret, f);
    r = source_load(&source, file, f);
    return r < 0 ? r : load(&source, file, &way, ret, f);
}

/* Whether who queues may go on without the file. */
static bool is_dispensable(const char *path, int error)
{
    return !path && error != -ENOMEM && !error_is_common(error);
}

/* Of the file what can be read; where nobody has named it, the defaults hold without it. In
 * `ret_doubtful`: something of it is not known. */
static int load_readable(
    const char *path, const Way *way, bool *ret_doubtful, Config **ret, Failure *f)
{
    _cleanup_source_ Source source = {.lenient = true};
    const char *file = path ?: SETTINGS_DEFAULT_PATH;
    int r = is_absent(path) ? 0 : source_load(&source, file, f);

    if (r < 0 && !is_dispensable(path, r))
        return r;
    if (ret_doubtful)
        *ret_doubtful = r < 0 || source.left_out;
    if (r < 0)
        source_done(&source);
    return load(&source, source.n_files > 0 ? file : NULL, way, ret, f);
}

int config_load_directory(const char *path, const char *const *overrides, char **ret,
    SenderRules **ret_senders, char **ret_socket, Failure *f)
{
    const Way way = {
        .overrides = overrides,
        .only = setting_find(SECTION_SPOOL, "directory"),
        .beside = ret_senders ? setting_find(SECTION_SPOOL, "senders") : NULL,
        .aside = ret_socket ? setting_find(SECTION_SPOOL, "submit_socket") : NULL,
    };
    _cleanup_config_ Config *config = NULL;
    bool doubtful;
    int r = load_readable(path, &way, &doubtful, &config, f);

    if (r < 0)
        return r;
    *ret = TAKE_PTR(config->spool.directory);
    if (ret_senders)
        *ret_senders = sender_rules_ref(config->spool.senders);
    if (ret_socket)
        *ret_socket = TAKE_PTR(config->spool.submit_socket);
    return doubtful && text_equal(*ret, way.only->default_text);
}

int config_load_database(const char *path, const char *const *overrides, char **ret, Failure *f)
{
    const Way way = {.overrides = overrides, .only = setting_find(SECTION_SPOOL, "database")};
    _cleanup_config_ Config *config = NULL;
    int r = load_readable(path, &way, NULL, &config, f);

    *ret = r < 0 ? NULL : TAKE_PTR(config->spool.database);
    return r;
}

bool config_keeps_sent(const char *path, const char *const *overrides)
{
    const Way way = {.overrides = overrides, .only = setting_find(SECTION_SPOOL, "keep_sent")};
    _cleanup_source_ Source source = {.lenient = true};
    _cleanup_config_ Config *config = NULL;
    const char *file = path ?: SETTINGS_DEFAULT_PATH;

    if (!is_absent(path) && source_load(&source, file, NULL) < 0)
        return true;
    return source.left_out ||
           load(&source, source.n_files > 0 ? file : NULL, &way, &config, NULL) < 0 ||
           config->spool.keep_sent;
}

int config_load_program(
    const char *path, const char *const *overrides, ConfigCheck check, Config **ret, Failure *f)
{
    const Way way = {
        .overrides = overrides, .is_program = true, .by_values = check == CONFIG_CHECK_VALUES};
    _cleanup_source_ Source source = {0};
    int r = path ? source_load(&source, path, f) : 0;

    return r < 0 ? r : load(&source, path, &way, ret, f);
}

/* The section of that setting alone. */
static int load_section(
    const char *path, const char *const *overrides, const Setting *only, Config **ret, Failure *f)
{
    const Way way = {.overrides = overrides, .only_section = true, .only = only};

    return load_readable(path, &way, NULL, ret, f);
}

int config_load_message(const char *path, const char *const *overrides, Config **ret, Failure *f)
{
    return load_section(path, overrides, setting_find(SECTION_MESSAGE, "charset"), ret, f);
}

int config_load_local(const char *path, const char *const *overrides, Config **ret, Failure *f)
{
    return load_section(path, overrides, setting_find(SECTION_LOCAL, "aliases"), ret, f);
}

int config_load_spool(const char *path, const char *const *overrides, Config **ret, Failure *f)
{
    return load_section(path, overrides, setting_find(SECTION_SPOOL, "directory"), ret, f);
}

int config_load_text(const char *name, const char *text, size_t n, const char *const *overrides,
    Config **ret, Failure *f)
{
    const Way way = {.overrides = overrides, .is_program = true};
    _cleanup_source_ Source source = {0};
    int r = source_load_text(&source, name, text, n, f);

    return r < 0 ? r : load(&source, NULL, &way, ret, f);
}
