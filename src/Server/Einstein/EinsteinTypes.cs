using Atoll.Contracts;
using Atoll.Platform.Http;

namespace Atoll.Einstein;

/// <summary>The dataset types of the Einstein API, and what each of them is to the platform.</summary>
internal static class EinsteinTypes
{
    public const string Image = "image";
    public const string TextIntent = "text-intent";
    public const string TextSentiment = "text-sentiment";
    public const string TextMultiLabel = "text-multi-label";

    private const double TestFractionOfImages = 0.1;
    private const double TestFractionOfTexts = 0.2;

    private static readonly string[] All = [Image, TextIntent, TextSentiment, TextMultiLabel];

    /// <summary>Null when the type can be used; otherwise the problem to answer.</summary>
    public static Problem? Check(string? type) =>
        type is null ? EinsteinProblems.Missing("type", "create a dataset")
        : All.Contains(type) ? null
        : EinsteinProblems.Invalid($"The type '{EinsteinProblems.Shorten(type)}' is not supported. Supported types are {string.Join(", ", All)}.");

    public static bool IsVision(string type) => type == Image;

    public static string PlatformTypeOf(string type) => IsVision(type) ? DatasetTypes.Image : DatasetTypes.Text;

    public static string LanguageOf(string type, string? language) => IsVision(type) ? "N/A" : language ?? "en_US";

    /// <summary>Share of the examples that a training keeps for the test, if nobody says.</summary>
    public static double TestFractionOf(string type) => IsVision(type) ? TestFractionOfImages : TestFractionOfTexts;

    /// <summary>What the platform is told of an upload.</summary>
    /// <param name="file">Name of the file, or its address.</param>
    public static ImportRequest ImportOf(string type, string file, string? url)
    {
        if (IsVision(type)) return new ImportRequest { Url = url, TestFraction = TestFractionOfImages };

        // Text and label, without a header; members of JSON have names by which they are found.
        var isJson = file.EndsWith(".json", StringComparison.OrdinalIgnoreCase) || file.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase);
        return new ImportRequest
        {
            Url = url,
            TestFraction = TestFractionOfTexts,
            Header = isJson ? null : false,
            TextColumn = isJson ? null : "column_1",
            Label = isJson ? null : "column_2",
            LabelSeparator = type == TextMultiLabel ? null : "",
        };
    }
}
