/*
 * policy/template_files.c - the templates of templates/policy, compiled in
 */
#include "policy/template_private.h"

#include "lib/base/banned.h"

/* clang-format off */
#define TEMPLATE(id, file)                                  \
    __asm__(".section .rodata\n"                            \
            "naru_template_" #id "_begin:\n"                \
            ".incbin \"templates/policy/" file ".json\"\n"  \
            "naru_template_" #id "_end:\n"                  \
            ".previous\n");                                 \
    extern const char id##_begin[] __asm__("naru_template_" #id "_begin"); \
    extern const char id##_end[] __asm__("naru_template_" #id "_end");
#include "policy/templates.def"
#undef TEMPLATE

static const struct { const char *begin, *end; } files[] = {
#define TEMPLATE(id, file) {id##_begin, id##_end},
#include "policy/templates.def"
#undef TEMPLATE
};

/* clang-format on */

struct str policy__template_text(size_t i)
{
    return i < ARRAY_LEN(files) ? str_n(files[i].begin, (size_t)(files[i].end - files[i].begin))
                                : STR_NONE;
}
