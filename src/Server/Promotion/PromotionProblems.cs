using Atoll.Contracts;
using Atoll.Platform.Http;

namespace Atoll.Promotion;

/// <summary>Every refusal of this module.</summary>
internal static class PromotionProblems
{
    public static Problem UnknownEnvironment(string to) =>
        HttpProblems.InvalidField("to", $"is '{to}'", $"Use '{Aliases.Staging}' or '{Aliases.Production}'.");

    public static Problem GateWithoutMetric(int index) => HttpProblems.InvalidField($"gates[{index}].metric", "is missing", "Name a score, such as 'accuracy'.");

    public static Problem GateWithoutBound(int index) => HttpProblems.InvalidField(
        $"gates[{index}]", "has no bound", "Give atLeast, atMost or both: {\"metric\":\"accuracy\",\"atLeast\":0.8}.");
}
