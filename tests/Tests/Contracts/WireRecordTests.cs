using System.Reflection;
using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.Tests.Contracts;

/// <summary>Nulls are left out on the wire, so a record must be readable without them.</summary>
public sealed class WireRecordTests
{
    public static TheoryData<Type> RecordsWithParameters() => [.. typeof(AtollJson).Assembly.GetExportedTypes()
        .Where(type => type.Name.EndsWith("Exception", StringComparison.Ordinal) is false && type.GetMethod("<Clone>$") is not null)
        .Where(type => type.GetConstructors().Any(constructor => constructor.GetParameters().Length > 0))
        .OrderBy(type => type.Name, StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(RecordsWithParameters))]
    public void What_may_be_null_may_be_absent(Type record)
    {
        var nullability = new NullabilityInfoContext();
        foreach (var parameter in record.GetConstructors().MaxBy(constructor => constructor.GetParameters().Length)!.GetParameters())
        {
            if (parameter.ParameterType.IsGenericParameter) continue;
            var mayBeNull = nullability.Create(parameter).ReadState == NullabilityState.Nullable;
            Assert.True(!mayBeNull || parameter.HasDefaultValue, $"{record.Name}.{parameter.Name} may be null but must be there; give it the default null.");
        }
    }

    [Fact]
    public void The_last_page_of_a_list_is_read_back()
    {
        var json = JsonSerializer.Serialize(new Page<TenantResponse>([], null), AtollJson.Default.PageTenantResponse);
        Assert.Equal("""{"items":[]}""", json);
        Assert.Null(JsonSerializer.Deserialize(json, AtollJson.Default.PageTenantResponse)!.Next);
    }
}
