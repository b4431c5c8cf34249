/*
 * server/settlement/document_html.c - an invoice or statement as a page: Korean and English, no
 * scripts, every text escaped
 */
#include <inttypes.h>

#include "server/settlement/settlement_private.h"

#include "lib/base/banned.h"

/* A row of a two-column table: label and JSON pointer. */
struct shown {
    const char *label, *pointer;
};

static const struct shown head_rows[] = {
    {"번호 Number",      "/number"     },
    {"발행일 Issued",   "/issued_at"  },
    {"기간 Period",      "/period/name"},
    {"부터 From",        "/period/from"},
    {"까지 To",          "/period/to"  },
    {"발행자 Issuer",   "/issuer"     },
    {"당사자 Party",    "/party_did"  },
    {"문서 ID Document", "/document"   },
};

static const struct shown sum_rows[] = {
    {"공급가액 Net",               "/subtotal"},
    {"부가세 VAT",                  "/vat"     },
    {"합계 Total",                   "/total"   },
    {"수수료 Fee",                  "/fee"     },
    {"수수료 부가세 VAT on fee", "/fee_vat" },
    {"지급액 Payout",               "/payout"  },
};

static const struct shown order_rows[] = {
    {"주문 Order",                        "/order"                 },
    {"계약 Agreement",                    "/agreement"             },
    {"데이터셋 Dataset",                "/dataset"               },
    {"자산 Asset",                        "/asset"                 },
    {"요금제 Plan",                      "/plan"                  },
    {"건수 Events",                       "/usage/events"          },
    {"호출 Calls",                        "/usage/calls"           },
    {"바이트 Bytes",                     "/usage/bytes"           },
    {"행 Rows",                            "/usage/rows"            },
    {"누락(공급자) Missing, provider", "/usage/missing_provider"},
    {"누락(수요자) Missing, consumer", "/usage/missing_consumer"},
};

static const struct shown company_rows[] = {
    {"상호 Name",          "/name/ko"},
    {"영문 Name, English", "/name/en"},
    {"등록번호 Number",  "/number" },
    {"국가 Country",       "/country"},
    {"DID",                  "/did"    },
};

static const struct shown line_columns[] = {
    {"항목 Rule",        "/rule"       },
    {"단가 위치 Plan", "/pointer"    },
    {"계량 Meter",       "/meter"      },
    {"수량 Quantity",    "/quantity"   },
    {"단위 Unit",        "/unit"       },
    {"단가(µ) Price",   "/price_micro"},
    {"금액 Amount",      "/amount"     },
    {"부가세 VAT",      "/vat"        },
};

static const char style[] =
    "body{font:14px/1.5 sans-serif;max-width:60em;margin:2em auto;color:#222}"
    "table{border-collapse:collapse;margin:.5em 0 1.5em;width:100%}"
    "th,td{border:1px solid #ccc;padding:.25em .6em;text-align:left;overflow-wrap:anywhere}"
    "th{background:#f4f4f4;font-weight:600}h1{font-size:1.6em}h2{font-size:1.2em}";

static void add_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&': buf_add_c(out, "&amp;"); break;
        case '<': buf_add_c(out, "&lt;"); break;
        case '>': buf_add_c(out, "&gt;"); break;
        case '"': buf_add_c(out, "&quot;"); break;
        case '\'': buf_add_c(out, "&#39;"); break;
        default: buf_add_char(out, s.p[i]); break;
        }
    }
}

/* A text or an integer; anything else shows as nothing. */
static void add_value(struct buf *out, const struct jval *v)
{
    int64_t number;

    if (jtype_of(v) == J_STR)
        add_escaped(out, jval_str(v));
    else if (jval_i64(v, &number))
        buf_add_i64(out, number);
}

static void add_heading(struct buf *out, const char *tag, const char *text)
{
    buf_printf(out, "<%s>%s</%s>\n", tag, text, tag);
}

static void add_table(struct buf *out, const struct jval *v, const struct shown *rows, size_t n)
{
    buf_add_c(out, "<table>\n");
    for (size_t i = 0; i < n; i++) {
        const struct jval *value = jval_pointer(v, str_c(rows[i].pointer));

        if (value == NULL)
            continue;
        buf_printf(out, "<tr><th>%s</th><td>", rows[i].label);
        add_value(out, value);
        buf_add_c(out, "</td></tr>\n");
    }
    buf_add_c(out, "</table>\n");
}

static void add_lines(struct buf *out, const struct jval *lines)
{
    buf_add_c(out, "<table>\n<tr>");
    for (size_t c = 0; c < ARRAY_LEN(line_columns); c++)
        buf_printf(out, "<th>%s</th>", line_columns[c].label);
    buf_add_c(out, "</tr>\n");
    for (size_t i = 0; i < jval_len(lines); i++) {
        buf_add_c(out, "<tr>");
        for (size_t c = 0; c < ARRAY_LEN(line_columns); c++) {
            buf_add_c(out, "<td>");
            add_value(out, jval_pointer(jval_at(lines, i), str_c(line_columns[c].pointer)));
            buf_add_c(out, "</td>");
        }
        buf_add_c(out, "</tr>\n");
    }
    buf_add_c(out, "</table>\n");
}

static void add_order(struct buf *out, const struct jval *order)
{
    buf_add_c(out, "<h2>");
    add_value(out, jval_pointer(order, STR("/title/ko")));
    buf_add_c(out, " · ");
    add_value(out, jval_pointer(order, STR("/title/en")));
    buf_add_c(out, "</h2>\n");
    add_table(out, order, order_rows, ARRAY_LEN(order_rows));
    add_lines(out, jval_pointer(order, STR("/rating/lines")));
}

static void add_companies(struct buf *out, const char *heading, const struct jval *companies)
{
    const bool many = jtype_of(companies) == J_ARRAY;

    if (companies == NULL)
        return;
    add_heading(out, "h2", heading);
    for (size_t i = 0; i < (many ? jval_len(companies) : 1); i++)
        add_table(out, many ? jval_at(companies, i) : companies, company_rows,
                  ARRAY_LEN(company_rows));
}

void document__html(const struct jval *body, const struct jval *parties, struct buf *out)
{
    const bool invoice = str_eq(jval_str(jval_get(body, "kind")), STR("invoice"));
    const char *title = invoice ? "청구서 Invoice" : "정산서 Statement";
    const struct jval *orders = jval_get(body, "orders");

    buf_printf(out,
               "<!DOCTYPE html>\n<html lang=\"ko\">\n<head><meta charset=\"utf-8\">"
               "<title>%s</title><style>%s</style></head>\n<body>\n<h1>%s</h1>\n",
               title, style, title);
    add_table(out, body, head_rows, ARRAY_LEN(head_rows));
    add_companies(out, "고객 Customer", jval_get(parties, "customer"));
    add_companies(out, "공급자 Supplier", jval_get(parties, "supplier"));
    add_companies(out, "공급자 Suppliers", jval_get(parties, "suppliers"));
    add_companies(out, "고객 Customers", jval_get(parties, "customers"));
    for (size_t i = 0; i < jval_len(orders); i++)
        add_order(out, jval_at(orders, i));
    buf_add_c(out, "<h2>합계 Sums (");
    add_value(out, jval_get(body, "currency"));
    buf_add_c(out, ")</h2>\n");
    add_table(out, body, sum_rows, ARRAY_LEN(sum_rows));
    buf_add_c(out, "</body>\n</html>\n");
}
