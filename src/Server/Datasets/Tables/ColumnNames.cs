namespace Atoll.Datasets;

/// <summary>What the name of a column says about its values. Names decide only where values alone do not.</summary>
internal static class ColumnNames
{
    public static bool SuggestId(string name)
    {
        if (name.Length >= 3 && name.EndsWith("Id", StringComparison.Ordinal) && char.IsAsciiLetterLower(name[^3])) return true;
        if (name.Length >= 3 && name.EndsWith("ID", StringComparison.Ordinal) && char.IsAsciiLetterLower(name[^3])) return true;

        return Words(name).Any(word => word is "id" or "uuid" or "guid" or "index" or "rownum" or "instant" or "key" or "identifier" or "unnamed");
    }

    public static bool SuggestPhone(string name) => Words(name).Any(word => word is "phone" or "telephone" or "tel" or "mobile" or "fax" or "cell" or "cellphone");

    public static bool SuggestPostalCode(string name) =>
        Words(name).Any(word => word is "zip" or "zipcode" or "postal" or "postcode" or "postalcode" or "plz" or "cap") && !name.Contains("count", StringComparison.OrdinalIgnoreCase);

    public static bool SuggestCountry(string name) => Words(name).Any(word => word is "country" or "countries" or "nation" or "nationality" or "land" or "pays");

    /// <summary>Lower-case words of names such as <c>zip_code</c>, <c>Zip Code</c> and <c>zipCode</c>.</summary>
    public static IEnumerable<string> Words(string name)
    {
        int start = 0;
        for (int i = 0; i <= name.Length; i++)
        {
            bool ends = i == name.Length || !char.IsLetterOrDigit(name[i]) || (i > start && char.IsUpper(name[i]) && char.IsLower(name[i - 1]));
            if (!ends) continue;

            if (i > start) yield return name[start..i].ToLowerInvariant();
            start = i < name.Length && char.IsLetterOrDigit(name[i]) ? i : i + 1;
        }
    }
}
