using System.Text.Json;
using System.Text.RegularExpressions;

namespace Atoll.Platform.Http;

/// <summary>Says what is wrong with JSON in words of ours: those of .NET name its types and count from zero.</summary>
internal static partial class JsonWords
{
    public static string Of(JsonException failure)
    {
        if (Missing().Match(failure.Message) is { Success: true } missing) return $"{missing.Groups["names"].Value} is missing.";
        if (failure.Message.Contains("could not be converted", StringComparison.Ordinal)) return $"the value of {failure.Path ?? "$"} is not of the type that is described{PlaceOf(failure)}.";
        if (failure.Message.Contains("null", StringComparison.Ordinal) && failure.Path is { Length: > 1 } path) return $"{path} must not be null{PlaceOf(failure)}.";
        return $"it is not valid JSON{PlaceOf(failure)}.";
    }

    private static string PlaceOf(JsonException failure) =>
        failure.LineNumber is { } line ? $", at line {line + 1}, byte {failure.BytePositionInLine + 1}" : "";

    [GeneratedRegex(@"missing required properties including: (?<names>'.*')")]
    private static partial Regex Missing();
}
