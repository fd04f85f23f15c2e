using System.Reflection;

namespace Atoll.Platform;

/// <summary>Which Atoll this is.</summary>
internal static class AtollVersion
{
    /// <summary>Version and commit: <c>0.1.0+4f2a...</c>.</summary>
    public static string Current { get; } =
        typeof(AtollVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
}
