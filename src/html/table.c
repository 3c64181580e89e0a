/*
 * Tables: their heads, and a script that sorts them. Without the script they read in the order in which they
 * were written.
 */
#include <mlopsctl/html.h>

#include "style.h"

void mlo_html_thead(struct mlo_str *out, const struct mlo_html_head *heads, size_t n)
{
    mlo_str_add(out, "<thead><tr>");
    for (size_t i = 0; i < n; i++)
        mlo_str_addf(out, "<th scope=\"col\"%s>%s</th>", heads[i].number ? " data-n=\"\"" : "",
                     heads[i].text);
    mlo_str_add(out, "</tr></thead><tbody>\n");
}

/* Neither '<' nor '&': as XML they need no quoting. */
const char mlo_html_sort_script[] =
    "function sortable(t){\n"
    "var body=t.tBodies[0],heads=[].slice.call(t.tHead.rows[0].cells),first=[].slice.call(body.rows);\n"
    "function key(row,i,number){var c=row.cells[i],s=c.dataset.v||c.textContent;"
    "if(!number)return s.toLowerCase();"
    "var v=parseFloat(s.replace(/,/g,'').replace('\\u221e','Infinity'));return isNaN(v)?null:v}\n"
    "function sort(i,down){var number='n' in heads[i].dataset;\n"
    "var list=first.map(function(r,n){return{r:r,k:key(r,i,number),n:n}});\n"
    "list.sort(function(a,b){\n"
    "if(a.k===b.k)return a.n-b.n;if(a.k===null)return 1;if(b.k===null)return -1;\n"
    "var up=number?a.k-b.k:a.k.localeCompare(b.k);return(down?-up:up)||a.n-b.n});\n"
    "list.forEach(function(e){body.appendChild(e.r)});\n"
    "heads.forEach(function(h,n){if(n===i)h.setAttribute('aria-sort',down?'descending':'ascending');"
    "else h.removeAttribute('aria-sort')})}\n"
    "heads.forEach(function(h,i){var b=document.createElement('button');b.type='button';\n"
    "b.textContent=h.textContent;h.textContent='';h.appendChild(b);\n"
    "b.addEventListener('click',function(){var now=h.getAttribute('aria-sort');\n"
    "sort(i,now?now==='ascending':'n' in h.dataset)})})}\n"
    "[].slice.call(document.querySelectorAll('table.sort')).forEach(sortable);\n";

const char mlo_html_sort_style[] =
    "th button{all:unset;cursor:pointer;white-space:nowrap}th button::after{content:' \\2195';opacity:.5}"
    "th[aria-sort=ascending] button::after{content:' \\2191';opacity:1}"
    "th[aria-sort=descending] button::after{content:' \\2193';opacity:1}\n"
    "@media print{th button::after{content:none}}\n";
