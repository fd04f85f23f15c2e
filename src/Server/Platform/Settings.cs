using System.ComponentModel.DataAnnotations;
using System.Reflection;

namespace Atoll.Platform;

/// <summary>A section of the settings and the class that holds its values.</summary>
internal sealed record SettingsSection(string Name, Type Options);

/// <summary>A setting is unknown or out of its range; the message says which and what to do.</summary>
internal sealed class SettingsException(string message) : Exception(message);

/// <summary>How modules declare settings, and how mistakes in them stop the start.</summary>
internal static class Settings
{
    // Read by ASP.NET Core, which knows its own keys.
    private static readonly string[] ForeignSections = ["Kestrel", "Logging"];

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
            throw new SettingsException($"A setting of section '{section.Name}' cannot be read: {Innermost(exception)}");
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
        var known = sections.SelectMany(section => section.Options.GetProperties(BindingFlags.Instance | BindingFlags.Public)
            .Where(property => property.CanWrite).Select(property => $"{section.Name}:{property.Name}")).ToList();
        foreach (var (key, value) in written.AsEnumerable())
        {
            if (value is null || key.Equals("config", StringComparison.OrdinalIgnoreCase)) continue;
            if (ForeignSections.Contains(key.Split(':')[0], StringComparer.OrdinalIgnoreCase)) continue;

            // A list's values have keys of their own below the property.
            if (known.Exists(name => key.Equals(name, StringComparison.OrdinalIgnoreCase) || key.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))) continue;
            var nearest = known.MinBy(name => Distance(name.ToLowerInvariant(), key.ToLowerInvariant()));
            throw new SettingsException($"There is no setting '{key}' ({where}). Did you mean '{nearest}'? All are in docs/reference/configuration.md.");
        }
    }

    /// <summary>How many characters must be put in, taken out or replaced to turn one text into the other.</summary>
    internal static int Distance(string one, string other)
    {
        var row = Enumerable.Range(0, other.Length + 1).ToArray();
        for (var i = 1; i <= one.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= other.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (one[i - 1] == other[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[other.Length];
    }

    private static string Innermost(Exception exception) => exception.InnerException is null ? exception.Message : $"{exception.Message} {exception.InnerException.Message}";
}
