/** How a language counts, and writes times and lists; all of it by Intl. */

export function formats(language) {
  // "en-GB" writes dates in another way than "en-US": the reader's own kind, if it is this language.
  const kinds = globalThis.navigator?.languages ?? [];
  const locale = kinds.find((kind) => kind.split("-")[0] === language) ?? language;
  const rules = new Intl.PluralRules(language);
  const lists = new Intl.ListFormat(language, { type: "conjunction" });
  const format = (options) => {
    let dates, offset;
    return (date) => {
      // It keeps the time zone that it was made in: a traveller's computer has another one since.
      if (offset !== (offset = new Date().getTimezoneOffset())) dates = new Intl.DateTimeFormat(locale, options);
      return dates.format(date);
    };
  };
  return {
    /** The form for that count: `plural(n, { one: "message", other: "messages" })`. */
    plural: (count, forms) => forms[rules.select(count)] ?? forms.other,
    list: (names) => lists.format(names),
    number: (value) => value.toLocaleString(locale),
    time: format({ timeStyle: "short" }),
    day: format({ dateStyle: "full" }),
    moment: format({ dateStyle: "medium", timeStyle: "short" }),
  };
}
