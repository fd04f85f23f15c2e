namespace Atoll.Serving;

/// <summary>Names a loaded model: whose it is, and the digest of the model version's artifact.</summary>
internal readonly record struct ModelKey(string Tenant, string Digest)
{
    public override string ToString() => $"{Tenant}/{Digest}";
}
