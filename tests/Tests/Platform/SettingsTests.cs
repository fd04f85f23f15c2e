using Atoll.Platform;

namespace Atoll.Tests.Platform;

public sealed class SettingsTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("--Atoll:Dtaa=x", "There is no setting 'Atoll:Dtaa' (on the command line). Did you mean 'Atoll:Data'?")]
    [InlineData("--Tenancy:FailedCredentialsPerMinute=3", "Did you mean 'Tenancy:FailedCredentialsPerMinuteMax'?")]
    [InlineData("--Atoll:ShutdownSeconds=0", "The setting 'Atoll:ShutdownSeconds' is wrong: The field ShutdownSeconds must be between 1 and 600.")]
    [InlineData("--Atoll:ShutdownSeconds=soon", "The setting 'Atoll:ShutdownSeconds' is 'soon', which is not a whole number.")]
    [InlineData("--Atoll:PublicUrl=nowhere", "The setting 'Atoll:PublicUrl' is wrong")]
    [InlineData("--Atoll:Urls=", "The setting 'Atoll:Urls' is wrong")]
    [InlineData("--config=missing.json", "There is no settings file")]
    public async Task A_wrong_setting_stops_the_start_with_one_sentence_and_makes_no_folder(string flag, string expected)
    {
        var data = Path.Combine(_folder.Path, "data");
        var refusal = await Assert.ThrowsAsync<SettingsException>(() => AtollServer.StartAsync([$"--Atoll:Data={data}", flag]));
        Assert.Contains(expected, refusal.Message);
        Assert.False(Directory.Exists(data));
    }

    [Fact]
    public async Task An_unknown_key_in_the_file_is_named_with_its_file_and_the_nearest_known_one()
    {
        var file = Path.Combine(_folder.Path, "atoll.json");
        await File.WriteAllTextAsync(file, """{ "Atoll": { "UploadByteMax": 5000 }, "Logging": { "LogLevel": { "Default": "Warning" } } }""");
        var refusal = await Assert.ThrowsAsync<SettingsException>(() => AtollServer.StartAsync([$"--config={file}"]));
        Assert.Equal(
            $"There is no setting 'Atoll:UploadByteMax' (in {file}). Did you mean 'Atoll:UploadBytesMax'? All are in docs/reference/configuration.md.",
            refusal.Message);
    }

    [Fact]
    public async Task Flags_win_over_the_file()
    {
        var file = Path.Combine(_folder.Path, "atoll.json");
        await File.WriteAllTextAsync(file, $$"""{ "Atoll": { "Data": "{{Path.Combine(_folder.Path, "of-file")}}", "Urls": "http://127.0.0.1:0" } }""");
        await using var server = await AtollServer.StartAsync([$"--config={file}", $"--Atoll:Data={Path.Combine(_folder.Path, "of-flag")}"]);
        Assert.True(Directory.Exists(Path.Combine(_folder.Path, "of-flag")));
        Assert.False(Directory.Exists(Path.Combine(_folder.Path, "of-file")));
        Assert.StartsWith("http://127.0.0.1:", server.Address);
    }

    [Theory]
    [InlineData("ATOLL_Atoll__Dtaa", "Did you mean ATOLL_Atoll__Data?")]
    [InlineData("ATOLL_DATA", "Did you mean ATOLL_Atoll__Data?")]
    [InlineData("ATOLL_TRAINING_SLOTS", "Did you mean ATOLL_Training__Slots?")]
    [InlineData("ATOLL_PORTT", "Settings are written ATOLL_Section__Name")]
    [InlineData("ATOLL_Atoll__Data", null)]
    [InlineData("ATOLL_LOGGING__LogLevel__Default", null)]
    [InlineData("ATOLL_KEY", null)]
    [InlineData("PATH", null)]
    public void A_variable_that_names_no_setting_is_told_with_the_nearest_that_does(string variable, string? expected)
    {
        SettingsSection[] sections = [new("Atoll", typeof(AtollOptions)), new("Training", typeof(Atoll.Training.TrainingOptions))];
        var told = Settings.UnknownVariables([variable], sections).ToList();
        if (expected is null)
        {
            Assert.Empty(told);
            return;
        }
        Assert.StartsWith($"The environment variable {variable} is not read", Assert.Single(told));
        Assert.Contains(expected, told[0]);
    }
}
