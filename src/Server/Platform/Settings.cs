using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Atoll.Platform;

/// <summary>A section of the settings and the class that holds its values.</summary>
internal sealed record SettingsSection(string Name, Type Options);

/// <summary>A setting is unknown or out of its range; the message says which and what to do.</summary>
internal sealed class SettingsException(string message) : Exception(message);

/// <summary>How modules declare settings, and how mistakes in them stop the start.</summary>
internal static partial class Settings
{
    // Read by ASP.NET Core, which knows its own keys.
    private static readonly string[] ForeignSections = ["Kestrel", "Logging"];

    // Read by the command line and the loader of the native libraries.
    private static readonly string[] ForeignVariables = ["ATOLL_SERVER", "ATOLL_KEY", "ATOLL_NATIVE", "ATOLL_PROGRAM"];

    /// <summary>What the names of all variables begin with.</summary>
    public const string VariablePrefix = "ATOLL_";

    /// <summary>Declares the settings of a module: bound, checked at start, and listed in docs/reference/configuration.md.</summary>
    public static void AddSettings<TOptions>(this IServiceCollection services, string section)
        where TOptions : class
    {
        services.AddOptions<TOptions>().BindConfiguration(section);
        services.AddSingleton(new SettingsSection(section, typeof(TOptions)));
    }

    public static IReadOnlyList<SettingsSection> DeclaredIn(IServiceCollection services) =>
        [.. services.Select(service => service.ImplementationInstance).OfType<SettingsSection>()];

    /// <summary>Reads one section.</summary>
    /// <exception cref="SettingsException">A value cannot be read or is out of its range.</exception>
    public static object Read(IConfiguration configuration, SettingsSection section)
    {
        object values;
        try
        {
            values = configuration.GetSection(section.Name).Get(section.Options) ?? Activator.CreateInstance(section.Options)!;
        }
        catch (InvalidOperationException exception)
        {
            throw new SettingsException(Unconverted().Match(exception.Message) is { Success: true } wrong
                ? $"The setting '{wrong.Groups["key"].Value}' is '{wrong.Groups["value"].Value}', which is not {KindOf(wrong.Groups["type"].Value)}."
                : $"A setting of section '{section.Name}' cannot be read: {Innermost(exception)}");
        }
        var mistakes = new List<ValidationResult>();
        if (Validator.TryValidateObject(values, new ValidationContext(values), mistakes, validateAllProperties: true)) return values;
        var mistake = mistakes[0];
        throw new SettingsException($"The setting '{section.Name}:{mistake.MemberNames.FirstOrDefault()}' is wrong: {mistake.ErrorMessage}");
    }

    /// <summary>Refuses keys that nothing reads: mostly a typing mistake, whose effect would be missed.</summary>
    /// <exception cref="SettingsException">There is one; the message names the nearest known key.</exception>
    public static void RefuseUnknownKeys(IConfiguration written, IReadOnlyList<SettingsSection> sections, string where)
    {
        var known = KnownKeys(sections);
        foreach (var (key, value) in written.AsEnumerable())
        {
            if (value is null || key.Equals("config", StringComparison.OrdinalIgnoreCase) || IsRead(key, known)) continue;
            throw new SettingsException($"There is no setting '{key}' ({where}). {Spelling.Ask(key, known)}All are in docs/reference/configuration.md.");
        }
    }

    /// <summary>Variables of the environment that look like settings and are none. A sentence each, for the log: the environment is not ours alone.</summary>
    public static IEnumerable<string> UnknownVariables(IEnumerable<string> variables, IReadOnlyList<SettingsSection> sections)
    {
        var known = KnownKeys(sections);
        foreach (var variable in variables.Order(StringComparer.Ordinal))
        {
            if (!variable.StartsWith(VariablePrefix, StringComparison.OrdinalIgnoreCase) || ForeignVariables.Contains(variable, StringComparer.OrdinalIgnoreCase)) continue;
            var key = variable[VariablePrefix.Length..].Replace("__", ":", StringComparison.Ordinal);
            if (IsRead(key, known)) continue;

            // The section is what people leave out first.
            var meant = Spelling.Nearest(key, known) ?? known.Find(name => Spelling.Nearest(key, [name.Split(':')[1]]) is not null);
            yield return $"The environment variable {variable} is not read: it names no setting. " + (meant is null
                ? "Settings are written ATOLL_Section__Name; all are in docs/reference/configuration.md."
                : $"Did you mean {VariablePrefix}{meant.Replace(":", "__", StringComparison.Ordinal)}?");
        }
    }

    private static List<string> KnownKeys(IReadOnlyList<SettingsSection> sections) =>
    [
        .. sections.SelectMany(section => section.Options.GetProperties(BindingFlags.Instance | BindingFlags.Public)
            .Where(property => property.CanWrite).Select(property => $"{section.Name}:{property.Name}")),
    ];

    // A list's values have keys of their own below the property.
    private static bool IsRead(string key, List<string> known) => ForeignSections.Contains(key.Split(':')[0], StringComparer.OrdinalIgnoreCase)
        || known.Exists(name => key.Equals(name, StringComparison.OrdinalIgnoreCase) || key.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase));

    // The binder tells key, value and type only in the text.
    [GeneratedRegex("""^Failed to convert configuration value '(?<value>.*)' at '(?<key>[^']*)' to type '(?<type>[^']*)'""", RegexOptions.Singleline)]
    private static partial Regex Unconverted();

    private static string KindOf(string type) => type switch
    {
        "System.Int32" or "System.Int64" => "a whole number",
        "System.Double" => "a number",
        "System.Boolean" => "true or false",
        _ => "such a value",
    };

    private static string Innermost(Exception exception) => exception.InnerException is null ? exception.Message : $"{exception.Message} {exception.InnerException.Message}";
}
