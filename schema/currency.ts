/** Decimal places between a currency's major and minor unit, as ISO 4217 has them. */
export type Exponent = 0 | 2 | 3 | 4;

/**
 * Every active ISO 4217 code that has a minor unit, as of 2026-02. Our own list, because the runtime's `Intl` differs from the
 * standard for many currencies (it gives IQD and HUF no decimals at all) and changes with each ICU release.
 * The 13 codes without a minor unit (metals, bond units, XDR, XSU, XUA, XTS, XXX) are no payment currencies and are left out.
 */
const CODES: Readonly<Record<Exponent, string>> = {
  0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
  2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU
      CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES
      KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR
      NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
      TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG`,
  3: "BHD IQD JOD KWD LYD OMR TND",
  4: "CLF UYW",
};

const EXPONENTS = [0, 2, 3, 4] as const satisfies readonly Exponent[];

function buildTable(): Readonly<Record<string, { readonly exponent: Exponent }>> {
  // A null prototype, so that "constructor" or "__proto__" from a request body is not found.
  const table: Record<string, { readonly exponent: Exponent }> = Object.create(null);
  for (const exponent of EXPONENTS) {
    for (const code of CODES[exponent].split(/\s+/)) table[code] = Object.freeze({ exponent });
  }
  return Object.freeze(table);
}

/** The payment currencies by code. It has no prototype; look codes from outside up with {@link isCurrency}. */
export const CURRENCIES: Readonly<Record<string, { readonly exponent: Exponent }>> = buildTable();

/** Whether `code` is a payment currency. Codes are upper case. */
export function isCurrency(code: string): boolean {
  return CURRENCIES[code] !== undefined;
}

/** Decimal places of a currency. Throws an Error for an unknown code: whoever calls this has let it past the schema. */
export function exponentOf(code: string): Exponent {
  const currency = CURRENCIES[code];
  if (currency === undefined) throw new Error(`unknown currency ${JSON.stringify(code)}`);
  return currency.exponent;
}
