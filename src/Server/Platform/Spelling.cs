namespace Atoll.Platform;

/// <summary>Finds the name that somebody meant who wrote another.</summary>
internal static class Spelling
{
    private const int NameCharsMax = 200;

    /// <summary>A question for a remedy, with a blank at its end: <c>Did you mean 'top'? </c>; empty when nothing is near.</summary>
    public static string Ask(string name, IEnumerable<string> known) => Nearest(name, known) is { } nearest ? $"Did you mean '{nearest}'? " : "";

    /// <summary>The known name that is nearest, when it is near enough to be meant.</summary>
    public static string? Nearest(string name, IEnumerable<string> known)
    {
        if (name.Length is 0 or > NameCharsMax) return null;
        var written = Plain(name);
        string? nearest = null;
        var best = Math.Max(2, written.Length / 3) + 1;
        foreach (var candidate in known)
        {
            if (candidate.Length > NameCharsMax || Math.Abs(candidate.Length - name.Length) > best + 3) continue;
            var distance = Distance(written, Plain(candidate));
            if (distance >= best || distance >= Math.Max(written.Length, 2)) continue;
            best = distance;
            nearest = candidate;
        }
        return nearest;
    }

    // Letter case and what stands between words are what people get wrong first.
    private static string Plain(string name) => string.Concat(name.ToLowerInvariant().Where(c => c is not ('_' or '-' or ' ' or '.')));

    /// <summary>Letters to add, drop, change or swap with their neighbour.</summary>
    private static int Distance(string a, string b)
    {
        var older = new int[b.Length + 1];
        var old = new int[b.Length + 1];
        var row = new int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++) old[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = a[i - 1] == b[j - 1] ? 0 : 1;
                row[j] = Math.Min(Math.Min(row[j - 1], old[j]) + 1, old[j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = Math.Min(row[j], older[j - 2] + 1);
            }
            (older, old, row) = (old, row, older);
        }
        return old[b.Length];
    }
}
