/* A PKCS#11 module for tests: another one, whose signatures take long. It is that of
 * SLOW_TOKEN_MODULE, but each signature is announced by a byte in the file SLOW_TOKEN_ASKED and
 * waits until the file SLOW_TOKEN_GATE is there; with the byte 'f' in that it fails. Each login is
 * a byte in SLOW_TOKEN_LOGINS. Built alone, without the project.
 *
 * No header of PKCS#11 is needed: a list of functions is a version and the functions in the order
 * of the standard (PKCS#11 2.40, pkcs11f.h), and only their places count here. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FUNCTIONS 68
#define GET_FUNCTION_LIST 3
#define LOGIN 18
#define SIGN_INIT 42
#define DEVICE_ERROR 0x30
#define GENERAL_ERROR 0x5

typedef unsigned long Result;
typedef void (*Function)(void);

typedef struct FunctionList {
    unsigned char version[2];
    Function functions[FUNCTIONS];
} FunctionList;

typedef Result (*GetFunctionList)(FunctionList **ret);
typedef Result (*SignInit)(unsigned long session, void *mechanism, unsigned long key);
typedef Result (*Login)(unsigned long session, unsigned long user, void *pin, unsigned long n);

static FunctionList list;
static SignInit real_sign_init;
static Login real_login;

/* -1: it is not there; else its first byte, or 0. */
static int look_at_gate(void)
{
    const char *path = getenv("SLOW_TOKEN_GATE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    char first = 0;

    if (fd < 0)
        return -1;
    if (read(fd, &first, 1) < 0)
        first = 0;
    close(fd);
    return first;
}

static void announce(const char *where)
{
    const char *path = getenv(where);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;

    if (fd < 0 || write(fd, "x", 1) != 1)
        abort();
    close(fd);
}

static Result sign_init(unsigned long session, void *mechanism, unsigned long key)
{
    const struct timespec moment = {.tv_nsec = 10 * 1000 * 1000};
    int gate;

    announce("SLOW_TOKEN_ASKED");
    while ((gate = look_at_gate()) < 0)
        nanosleep(&moment, NULL);
    return gate == 'f' ? DEVICE_ERROR : real_sign_init(session, mechanism, key);
}

static Result login(unsigned long session, unsigned long user, void *pin, unsigned long n)
{
    announce("SLOW_TOKEN_LOGINS");
    return real_login(session, user, pin, n);
}

Result C_GetFunctionList(FunctionList **ret);

Result C_GetFunctionList(FunctionList **ret)
{
    const char *path = getenv("SLOW_TOKEN_MODULE");
    void *module = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    GetFunctionList get;
    FunctionList *real;
    void *symbol = module ? dlsym(module, "C_GetFunctionList") : NULL;

    if (!symbol)
        return GENERAL_ERROR;
    memcpy(&get, &symbol, sizeof(get));
    if (get(&real) != 0)
        return GENERAL_ERROR;
    list = *real;
    memcpy(&real_sign_init, &real->functions[SIGN_INIT], sizeof(real_sign_init));
    memcpy(&real_login, &real->functions[LOGIN], sizeof(real_login));
    list.functions[LOGIN] = (Function)login;
    list.functions[SIGN_INIT] = (Function)sign_init;
    list.functions[GET_FUNCTION_LIST] = (Function)C_GetFunctionList;
    *ret = &list;
    return 0;
}
