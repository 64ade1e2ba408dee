/* The steps from a file to a Config. Must never hand out a Config with a mistake in it. */
#include "settings/load.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "settings/check.h"
#include "settings/draft.h"
#include "settings/override.h"
#include "settings/read.h"
#include "settings/source.h"

/* Everything after the text is there; `source` NULL: built-in defaults. */
static int load(const Source *source, const char *path, const char *const *overrides,
    bool secrets_allowed, Config **ret, Failure *f)
{
    _cleanup_free_
    char *directory = NULL;
    _cleanup_draft_ Draft draft = {0};
    const char *slash = path ? strrchr(path, '/') : NULL;
    int r = draft_init(&draft);

    if (r == 0 && path && !(draft.config->path = strdup(path)))
        r = -ENOMEM;
    if (r == 0 && slash) {
        directory = strndup(path, (size_t)(slash - path));
        draft.directory = directory;
        r = directory ? 0 : -ENOMEM;
    }
    if (r == 0 && source)
        r = read_settings(&draft, source);
    if (r == 0)
        r = override_settings(&draft, overrides, secrets_allowed);
    if (r == 0)
        r = check_settings(&draft);
    if (r < 0)
        return failure_set_errno(f, r, "cannot load the configuration");
    if (draft.n_mistakes > 0)
        return failure_set(f, -EBADMSG, ERROR_CONFIGURATION, "%.*s",
            (int)buffer_size(&draft.mistakes), buffer_data(&draft.mistakes));
    *ret = TAKE_PTR(draft.config);
    return 0;
}

int config_load(const char *path, const char *const *overrides, Config **ret, Failure *f)
{
    _cleanup_source_ Source source = {0};
    const char *file = path ?: SETTINGS_DEFAULT_PATH;
    int r;

    if (!path && overrides && *overrides && access(file, F_OK) < 0 && errno == ENOENT)
        return load(NULL, NULL, overrides, false, ret, f);
    r = source_load(&source, file, f);
    if (r < 0)
        return r;
    return load(&source, file, overrides, false, ret, f);
}

int config_load_text(const char *name, const char *text, size_t n, const char *const *overrides,
    Config **ret, Failure *f)
{
    _cleanup_source_ Source source = {0};
    int r = source_load_text(&source, name, text, n, f);

    if (r < 0)
        return r;
    return load(&source, NULL, overrides, true, ret, f);
}
