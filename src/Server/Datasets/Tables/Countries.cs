namespace Atoll.Datasets;

/// <summary>Recognises names and codes of countries (ISO 3166, with common short names).</summary>
internal static class Countries
{
    private const string Codes =
        "AF AFG|AL ALB|DZ DZA|AD AND|AO AGO|AG ATG|AR ARG|AM ARM|AU AUS|AT AUT|AZ AZE|BS BHS|BH BHR|BD BGD|BB BRB|BY BLR|BE BEL|BZ BLZ|BJ BEN|BT BTN|BO BOL|BA BIH|BW BWA|BR BRA|BN BRN|BG BGR|BF BFA|BI BDI|KH KHM|CM CMR|CA CAN|CV CPV|CF CAF|TD TCD|CL CHL|CN CHN|CO COL|KM COM|CG COG|CD COD|CR CRI|CI CIV|HR HRV|CU CUB|CY CYP|CZ CZE|DK DNK|DJ DJI|DM DMA|DO DOM|EC ECU|EG EGY|SV SLV|GQ GNQ|ER ERI|EE EST|SZ SWZ|ET ETH|FJ FJI|FI FIN|FR FRA|GA GAB|GM GMB|GE GEO|DE DEU|GH GHA|GR GRC|GD GRD|GT GTM|GN GIN|GW GNB|GY GUY|HT HTI|HN HND|HK HKG|HU HUN|IS ISL|IN IND|ID IDN|IR IRN|IQ IRQ|IE IRL|IL ISR|IT ITA|JM JAM|JP JPN|JO JOR|KZ KAZ|KE KEN|KI KIR|KP PRK|KR KOR|KW KWT|KG KGZ|LA LAO|LV LVA|LB LBN|LS LSO|LR LBR|LY LBY|LI LIE|LT LTU|LU LUX|MG MDG|MW MWI|MY MYS|MV MDV|ML MLI|MT MLT|MH MHL|MR MRT|MU MUS|MX MEX|FM FSM|MD MDA|MC MCO|MN MNG|ME MNE|MA MAR|MZ MOZ|MM MMR|NA NAM|NR NRU|NP NPL|NL NLD|NZ NZL|NI NIC|NE NER|NG NGA|MK MKD|NO NOR|OM OMN|PK PAK|PW PLW|PS PSE|PA PAN|PG PNG|PY PRY|PE PER|PH PHL|PL POL|PT PRT|PR PRI|QA QAT|RO ROU|RU RUS|RW RWA|KN KNA|LC LCA|VC VCT|WS WSM|SM SMR|ST STP|SA SAU|SN SEN|RS SRB|SC SYC|SL SLE|SG SGP|SK SVK|SI SVN|SB SLB|SO SOM|ZA ZAF|SS SSD|ES ESP|LK LKA|SD SDN|SR SUR|SE SWE|CH CHE|SY SYR|TW TWN|TJ TJK|TZ TZA|TH THA|TL TLS|TG TGO|TO TON|TT TTO|TN TUN|TR TUR|TM TKM|TV TUV|UG UGA|UA UKR|AE ARE|GB GBR|US USA|UY URY|UZ UZB|VU VUT|VA VAT|VE VEN|VN VNM|YE YEM|ZM ZMB|ZW ZWE";

    private const string NameList =
        "Afghanistan|Albania|Algeria|Andorra|Angola|Antigua and Barbuda|Argentina|Armenia|Australia|Austria|Azerbaijan|Bahamas|Bahrain|Bangladesh|Barbados|Belarus|Belgium|Belize|Benin|Bhutan|Bolivia|Bosnia and Herzegovina|Botswana|Brazil|Brunei|Bulgaria|Burkina Faso|Burundi|Cambodia|Cameroon|Canada|Cape Verde|Central African Republic|Chad|Chile|China|Colombia|Columbia|Comoros|Congo|Costa Rica|Ivory Coast|Croatia|Cuba|Cyprus|Czech Republic|Czechia|Denmark|Djibouti|Dominica|Dominican Republic|Ecuador|Egypt|El Salvador|England|Equatorial Guinea|Eritrea|Estonia|Eswatini|Ethiopia|Fiji|Finland|France|Gabon|Gambia|Georgia|Germany|Ghana|Greece|Grenada|Guatemala|Guinea|Guinea Bissau|Guyana|Haiti|Honduras|Hong Kong|Hungary|Iceland|India|Indonesia|Iran|Iraq|Ireland|Israel|Italy|Jamaica|Japan|Jordan|Kazakhstan|Kenya|Kiribati|North Korea|South Korea|Korea|Kuwait|Kyrgyzstan|Laos|Latvia|Lebanon|Lesotho|Liberia|Libya|Liechtenstein|Lithuania|Luxembourg|Madagascar|Malawi|Malaysia|Maldives|Mali|Malta|Marshall Islands|Mauritania|Mauritius|Mexico|Micronesia|Moldova|Monaco|Mongolia|Montenegro|Morocco|Mozambique|Myanmar|Namibia|Nauru|Nepal|Netherlands|The Netherlands|Holland|New Zealand|Nicaragua|Niger|Nigeria|North Macedonia|Northern Ireland|Norway|Oman|Pakistan|Palau|Palestine|Panama|Papua New Guinea|Paraguay|Peru|Philippines|Poland|Portugal|Puerto Rico|Qatar|Romania|Russia|Russian Federation|Rwanda|Samoa|San Marino|Saudi Arabia|Scotland|Senegal|Serbia|Seychelles|Sierra Leone|Singapore|Slovakia|Slovenia|Solomon Islands|Somalia|South Africa|South Sudan|Spain|Sri Lanka|Sudan|Suriname|Sweden|Switzerland|Syria|Taiwan|Tajikistan|Tanzania|Thailand|Timor Leste|Togo|Tonga|Trinidad and Tobago|Trinadad and Tobago|Tunisia|Turkey|Turkmenistan|Tuvalu|Uganda|UK|Ukraine|United Arab Emirates|UAE|United Kingdom|Great Britain|United States|United States of America|USA|Uruguay|Uzbekistan|Vanuatu|Vatican City|Venezuela|Vietnam|Viet Nam|Wales|Yemen|Zambia|Zimbabwe|Yugoslavia|Deutschland|España|Österreich|Schweiz|Suisse|Italia|Nederland|Belgique|Brasil|Polska|Sverige|Norge|Danmark|Suomi";

    private static readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> Names =
        new HashSet<string>(NameList.Split('|'), StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();

    private static readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> CodeLookup =
        new HashSet<string>(Codes.Split('|', ' '), StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>A country's name; hyphens and underscores count as spaces.</summary>
    public static bool IsName(ReadOnlySpan<char> text)
    {
        if (text.Length is < 2 or > 40) return false;
        if (!text.ContainsAny('-', '_')) return Names.Contains(text);

        Span<char> spaced = stackalloc char[text.Length];
        text.CopyTo(spaced);
        spaced.Replace('-', ' ');
        spaced.Replace('_', ' ');
        return Names.Contains(spaced);
    }

    /// <summary>A code of two or three letters. States and languages have the same ones: the column's name decides.</summary>
    public static bool IsCode(ReadOnlySpan<char> text) => text.Length is 2 or 3 && CodeLookup.Contains(text);
}
