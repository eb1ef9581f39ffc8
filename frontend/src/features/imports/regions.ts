/** Calling regions by ISO 3166 code; the names come from the browser. */
const codes =
  "AE AF AL AM AO AR AT AU AZ BA BD BE BF BG BH BI BJ BO BR BW BY CA CD CF CG CH CI CL CM CN CO CR CU CV CY CZ DE DJ DK DO DZ EC EE EG ER ES ET FI FJ FR GA GB GE GH GM GN GQ GR GT GW GY HK HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KM KR KW KZ LA LB LK LR LS LT LU LV LY MA MD ME MG MK ML MM MN MO MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NZ OM PA PE PG PH PK PL PS PT PY QA RO RS RU RW SA SC SD SE SG SI SK SL SN SO SR SS ST SV SY SZ TD TG TH TJ TL TM TN TR TT TW TZ UA UG US UY UZ VE VN YE ZA ZM ZW";

let list: { id: string; label: string; hint: string }[] | null = null;

export function regions(): { id: string; label: string; hint: string }[] {
  const names = new Intl.DisplayNames("en", { type: "region" });
  list ??= codes
    .split(" ")
    .map((code) => ({ id: code, label: names.of(code) ?? code, hint: code }))
    .toSorted((a, b) => a.label.localeCompare(b.label));
  return list;
}

/** The region of the browser's own language ("pt-PT" is Portugal), to be offered; null when it names none. */
export function localRegion(): { id: string; label: string } | null {
  const code = new Intl.Locale(navigator.language).region;
  return regions().find((region) => region.id === code) ?? null;
}
