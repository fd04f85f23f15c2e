using Atoll.Platform;

namespace Atoll.Tests.Platform;

public sealed class DataFolderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private string Data => Path.Combine(_folder.Path, "data");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_new_folder_is_stamped_and_opens_again()
    {
        using (var first = DataFolder.Open(Data)) Assert.True(first.IsNew);
        using var second = DataFolder.Open(Data);
        Assert.False(second.IsNew);
        Assert.Equal($"{DataFolder.LayoutVersion}\n", File.ReadAllText(Path.Combine(Data, "VERSION")));
    }

    [Fact]
    public void Only_the_servers_own_user_may_look_inside()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows inherits the rights of the parent folder.");
            return;
        }
        using var data = DataFolder.Open(Data);
        const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Data));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(data.Keys));
    }

    [Fact]
    public void A_newer_layout_is_refused_and_left_alone()
    {
        DataFolder.Open(Data).Dispose();
        File.WriteAllText(Path.Combine(Data, "VERSION"), "99\n");
        var refusal = Assert.Throws<DataFolderException>(() => DataFolder.Open(Data));
        Assert.Contains("layout 99", refusal.Message);
        Assert.Contains("newer Atoll", refusal.Message);
        Assert.Equal("99\n", File.ReadAllText(Path.Combine(Data, "VERSION")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("one")]
    [InlineData("0")]
    [InlineData("-1")]
    public void A_damaged_stamp_is_refused(string stamp)
    {
        DataFolder.Open(Data).Dispose();
        File.WriteAllText(Path.Combine(Data, "VERSION"), stamp);
        Assert.Contains("damaged", Assert.Throws<DataFolderException>(() => DataFolder.Open(Data)).Message);
    }

    [Fact]
    public void Somebody_elses_folder_is_refused_and_left_as_it_was()
    {
        Directory.CreateDirectory(Data);
        File.WriteAllText(Path.Combine(Data, "thesis.txt"), "important");
        Assert.Contains("not made by Atoll", Assert.Throws<DataFolderException>(() => DataFolder.Open(Data)).Message);
        Assert.Equal(["thesis.txt"], Directory.EnumerateFileSystemEntries(Data).Select(Path.GetFileName));
    }

    [Fact]
    public void A_file_is_refused()
    {
        File.WriteAllText(Data, "");
        Assert.Contains("is a file", Assert.Throws<DataFolderException>(() => DataFolder.Open(Data)).Message);
    }

    [Fact]
    public void A_second_server_is_refused_until_the_first_has_gone()
    {
        using (DataFolder.Open(Data))
        {
            Assert.Equal(
                $"The data folder {Data} is in use by another Atoll. Stop that one, or choose another folder with --data.",
                Assert.Throws<DataFolderException>(() => DataFolder.Open(Data)).Message);
        }
        DataFolder.Open(Data).Dispose();
    }

    [Fact]
    public void A_start_that_died_before_its_stamp_can_be_repeated()
    {
        Directory.CreateDirectory(Data);
        File.WriteAllText(Path.Combine(Data, "lock"), "");
        File.WriteAllText(Path.Combine(Data, "VERSION.tmp"), "");
        using var data = DataFolder.Open(Data);
        Assert.True(data.IsNew);
    }

    [Fact]
    public void What_a_former_process_left_half_done_is_removed()
    {
        using (var first = DataFolder.Open(Data)) File.WriteAllText(first.NewTemporaryFile(), "half");
        using var second = DataFolder.Open(Data);
        Assert.Empty(Directory.EnumerateFileSystemEntries(second.Temporary));
    }
}
