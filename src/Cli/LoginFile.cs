using System.Text.Json;
using System.Text.Json.Serialization;

namespace Atoll.Cli;

/// <summary>A server and the key for it, as <c>atoll login</c> stores them.</summary>
internal sealed record Login(string Server, string Key);

/// <summary>How the login is written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(Login))]
internal sealed partial class LoginJson : JsonSerializerContext;

/// <summary>The file with the user's login. Only the user can read it.</summary>
internal sealed class LoginFile(string folder)
{
    public string FullPath { get; } = Path.Combine(folder, "login.json");

    /// <summary>The login, or null when there is none.</summary>
    /// <exception cref="RefusedException">The file is damaged.</exception>
    public Login? Read()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllText(FullPath), LoginJson.Default.Login);
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException)
        {
            throw new RefusedException($"The file {FullPath} is damaged.", "Delete it and log in again: atoll login --server <url> --key <key>");
        }
    }

    public void Write(Login login)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
        else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        // Written beside and renamed, so that a crash leaves the old login.
        var temporary = FullPath + ".tmp";
        File.Delete(temporary);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var stream = new FileStream(temporary, options)) JsonSerializer.Serialize(stream, login, LoginJson.Default.Login);
        File.Move(temporary, FullPath, overwrite: true);
    }

    /// <summary>True when there was one.</summary>
    public bool Delete()
    {
        if (!File.Exists(FullPath)) return false;
        File.Delete(FullPath);
        return true;
    }
}
