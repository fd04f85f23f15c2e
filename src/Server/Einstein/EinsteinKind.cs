using System.Globalization;
using System.Security.Cryptography;

namespace Atoll.Einstein;

/// <summary>Whether a route is one of images or of texts.</summary>
internal sealed record EinsteinKind(string Name)
{
    public static EinsteinKind Vision { get; } = new("vision");

    public static EinsteinKind Language { get; } = new("language");

    /// <summary>Lets handlers take the kind of their route as a parameter.</summary>
    public static ValueTask<EinsteinKind?> BindAsync(HttpContext context) => ValueTask.FromResult(context.GetEndpoint()?.Metadata.GetMetadata<EinsteinKind>());
}

/// <summary>How ids, times and pages are written in the Einstein API.</summary>
internal static class EinsteinText
{
    private const string Base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    private const int IdCharacters = 26;
    private const int LabelsMax = 10_000;

    /// <summary>An id of a model or a deletion: 130 random bits.</summary>
    public static string NewId() => RandomNumberGenerator.GetString(Base32, IdCharacters);

    /// <summary>A number for a tenant, which has none: clients expect one.</summary>
    public static string OrganizationOf(string tenantId) => $"{BitConverter.ToUInt32(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(tenantId)))}";

    public static bool IsId(string? id) => id is { Length: IdCharacters } && id.All(c => Base32.Contains(c, StringComparison.Ordinal));

    public static string Date(DateTime utc) => utc.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'+0000'", CultureInfo.InvariantCulture);

    /// <summary>A label's id holds its dataset's number, so that one is found by the other.</summary>
    public static long LabelId(long dataset, int index) => dataset * LabelsMax + index + 1;

    public static (long Dataset, int Index) LabelOf(long id) => ((id - 1) / LabelsMax, (int)((id - 1) % LabelsMax));

    /// <summary>What cannot be read as a number counts as not given.</summary>
    public static (int Offset, int Count) Page(string? offset, string? count, int most)
    {
        var skip = int.TryParse(offset, NumberStyles.None, CultureInfo.InvariantCulture, out var first) ? first : 0;
        var take = int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var wanted) && wanted > 0 ? Math.Min(wanted, most) : most;
        return (skip, take);
    }
}
