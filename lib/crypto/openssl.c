/*
 * lib/crypto/openssl.c - OpenSSL's process-wide state and private files
 *
 * The secure heap and the fetched digest belong to the library, not to a caller, and OpenSSL makes
 * neither of them in a thread-safe way by itself; so they are the one piece of state in this
 * folder, made once, before first use.
 */
#include "lib/crypto/crypto_private.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

/* Holds some thousand keys and secrets; locked pages count as resident, so it is not larger. */
#define SECURE_HEAP_BYTES   KIB(512)
#define SECURE_HEAP_MIN     32
#define PRIVATE_FILE_BYTES  KIB(64)
#define OTHERS_MAY_ANYTHING 077

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_md;
static bool secure_heap;

static void start(void)
{
    /* 2 means that the pages could not be locked (RLIMIT_MEMLOCK): guarded and wiped still, which
     * is better than refusing */
    secure_heap = CRYPTO_secure_malloc_initialized() != 0 ||
                  CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, SECURE_HEAP_MIN) != 0;
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    CHECK(sha256_md != NULL);
}

const EVP_MD *crypto__sha256(void)
{
    CHECK(pthread_once(&once, start) == 0);
    return sha256_md;
}

bool crypto__secure_heap(void)
{
    CHECK(pthread_once(&once, start) == 0);
    return secure_heap;
}

void *crypto__secure_alloc(size_t n)
{
    return crypto__secure_heap() ? OPENSSL_secure_zalloc(n) : NULL;
}

void crypto__secure_free(void *p, size_t n)
{
    OPENSSL_secure_clear_free(p, n);
}

int crypto__fail(struct err *err, enum err_code code, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    if (reason == NULL)
        return err_set(err, code, "", "%s", what);
    return err_set(err, code, "", "%s: openssl says '%s'", what, reason);
}

void private_text_done(struct private_text *text)
{
    crypto__secure_free(text->p, text->n + 1);
    *text = (struct private_text){0};
}

static void fd_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Looks at the open file, not at the path, so that nothing can be exchanged between look and use.
 */
static int check_file(int fd, const char *path, size_t *ret_bytes, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set(err, E_CONFIG, "", "file '%s': %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, E_CONFIG, "", "file '%s' is not a regular file", path);
    if ((st.st_mode & OTHERS_MAY_ANYTHING) != 0)
        return err_set(
            err, E_CONFIG, "",
            "file '%s' holds a secret but has mode %04o, so that others may read it; run: "
            "chmod 600 '%s'",
            path, (unsigned)(st.st_mode & 07777), path);
    if (st.st_size <= 0 || (size_t)st.st_size > PRIVATE_FILE_BYTES)
        return err_set(err, E_CONFIG, "", "file '%s' must have 1 to %zu bytes, has %lld", path,
                       PRIVATE_FILE_BYTES, (long long)st.st_size);
    *ret_bytes = (size_t)st.st_size;
    return 0;
}

int crypto__read_private(const char *path, struct private_text *ret_text, struct err *err)
{
    AUTO(fd_close) const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    AUTO(private_text_done) struct private_text text = {0};
    size_t want = 0;

    if (fd < 0)
        return err_set(err, errno == ENOENT ? E_NOT_FOUND : E_CONFIG, "", "file '%s': %s", path,
                       strerror(errno));
    if (check_file(fd, path, &want, err) < 0)
        return err_ret(err);
    text.p = crypto__secure_alloc(want + 1);
    if (text.p == NULL)
        return err_set(err, E_NO_MEMORY, "", "file '%s': no secure memory for %zu bytes", path,
                       want);
    text.n = want;
    for (size_t have = 0; have < want;) {
        const ssize_t got = read(fd, text.p + have, want - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_set(err, E_CONFIG, "", "file '%s': %s", path,
                           got < 0 ? strerror(errno) : "shrank while it was read");
        have += (size_t)got;
    }
    *ret_text = text;
    text = (struct private_text){0};
    return 0;
}
