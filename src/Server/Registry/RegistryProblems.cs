using Atoll.Contracts;
using Atoll.Platform.Http;

namespace Atoll.Registry;

/// <summary>Every refusal of this module.</summary>
internal static class RegistryProblems
{
    public static Problem ModelNotFound(string model) => HttpProblems.NotFound("model", model, "List them with: atoll models list.");

    public static Problem VersionNotFound(string model, string version) =>
        new(404, ProblemCodes.NotFound, $"There is no version '{version}' of model {model}.", $"List them with: atoll models versions {model}.");

    public static Problem AliasNotFound(string model, string alias) =>
        HttpProblems.NotFound($"alias of model {model}", alias, $"See its aliases with: atoll models show {model}.");

    /// <summary>Some aliases are not moved by hand.</summary>
    public static Problem AliasReserved(string alias) => new(
        409, ProblemCodes.AliasReserved, $"The alias '{alias}' is moved by the platform.",
        alias == Aliases.Latest ? "Use a name of your own, such as 'champion'." : "Use: atoll promote <model> --to " + alias + ".");

    public static Problem VersionInUse(string model, int version, IEnumerable<string> aliases) => new(
        409, ProblemCodes.VersionInUse, $"Version {version} of model '{model}' is named by {string.Join(", ", aliases)}.", "Move or delete the aliases first.");
}
